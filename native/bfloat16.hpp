#pragma once

#include <cstdint>

namespace fineprune {

/// The upper half of a float32: storage only, all arithmetic is done in float32 or by the CPU.
struct bfloat16 {
  std::uint16_t bits;
};

}  // namespace fineprune
