#pragma once

#include <bit>
#include <cstdint>

namespace fineprune {

/// The upper half of a float32: storage only, all arithmetic is done in float32 or by the CPU.
struct bfloat16 {
  std::uint16_t bits;
};

/// Rounds to the nearest, ties to even; a NaN stays one.
inline bfloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

}  // namespace fineprune
