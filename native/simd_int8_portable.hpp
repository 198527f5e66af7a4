#pragma once
// Without instructions for dot products: four multiplications in 32 bits, in the order of lanes.

#include "code_sums.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline constexpr int most_code_lanes = vector_registers / 2 * lanes;
inline constexpr bool adds_pairs_in_16_bits = false;

/// As many codes as a vector has lanes.
using LaneCodes = std::uint8_t __attribute__((vector_size(lanes)));

template <int block>
struct CodeQuads {
  Ints rows[4][block / lanes];
};

template <int block>
inline CodeQuads<block> quads(const std::uint8_t* const (&rows)[4]) {
  CodeQuads<block> result;
  for (int i = 0; i < 4; ++i)
    for (int v = 0; v < block / lanes; ++v) {
      LaneCodes codes;
      __builtin_memcpy(&codes, rows[i] + v * lanes, sizeof codes);
      result.rows[i][v] = __builtin_convertvector(codes, Ints);
    }
  return result;
}

template <int block, Weights>
inline void add_quads(CodeSums<block>& sums, Floats weights, const CodeQuads<block>& quads) {
  const Ints all = reinterpret_cast<Ints>(weights);
  for (int i = 0; i < 4; ++i) {
    const Ints weight = (all << (24 - 8 * i)) >> 24;
    for (int v = 0; v < block / lanes; ++v) sums.vectors[v] += weight * quads.rows[i][v];
  }
}

template <int block>
inline Numbers<block> to_floats(const CodeSums<block>& sums) {
  Numbers<block> numbers;
  for (int v = 0; v < numbers.count; ++v)
    numbers.vectors[v] = __builtin_convertvector(sums.vectors[v], Floats);
  return numbers;
}

/// Writes a block of lanes of codes, each the nearest integer of a number, from 0 to 255; of what is
/// no number, any.
template <int block>
inline void store_codes(std::uint8_t* target, const Numbers<block>& numbers) {
  for (int v = 0; v < numbers.count; ++v) {
    const Floats x = minimum(broadcast(255.0f), maximum(Floats{}, numbers.vectors[v]));
    const LaneCodes codes = __builtin_convertvector(round_to_nearest(x).bits & 0xff, LaneCodes);
    __builtin_memcpy(target + v * lanes, &codes, sizeof codes);
  }
}

}  // namespace fineprune::FINEPRUNE_ISA
