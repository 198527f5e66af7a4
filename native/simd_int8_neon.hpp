#pragma once
// With AArch64's dot products. They are of two codes with a sign, so an activation's code is stored less
// 128, and 128 times the sum of the weights, which a dot product with ones sums up, is added in the end:
// sums are those of other instruction sets.

#include "kernels/epilogue.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline constexpr int most_code_lanes = 32;
inline constexpr bool adds_pairs_in_16_bits = false;

/// The codes of four rows, token by token, four tokens a vector, in the order of lanes.
template <int block>
struct CodeQuads {
  int8x16_t vectors[block / lanes];
};

template <int block>
inline CodeQuads<block> quads(const std::uint8_t* const (&rows)[4]) {
  CodeQuads<block> result;
  for (int part = 0; part < block / 16; ++part) {
    const auto load_row = [&](int i) { return vld1q_u8(rows[i] + 16 * part); };
    const uint8x16x2_t first = vzipq_u8(load_row(0), load_row(1));
    const uint8x16x2_t second = vzipq_u8(load_row(2), load_row(3));
    for (int half = 0; half < 2; ++half) {
      const uint16x8x2_t fours = vzipq_u16(vreinterpretq_u16_u8(first.val[half]),
                                           vreinterpretq_u16_u8(second.val[half]));
      for (int i = 0; i < 2; ++i)
        result.vectors[4 * part + 2 * half + i] = vreinterpretq_s8_u16(fours.val[i]);
    }
  }
  return result;
}

/// Sums of a row over a block of lanes, in integers of 32 bits.
template <int block>
struct CodeSums {
  static constexpr int chains = block / lanes;
  Ints vectors[chains] = {};
  Ints weights = {};  ///< their sum: what is missing, over 128

  void load(const float* source) {
    for (int v = 0; v < chains; ++v)
      vectors[v] = reinterpret_cast<Ints>(FINEPRUNE_ISA::load(source + v * lanes));
  }
  void store(float* target) const {
    for (int v = 0; v < chains; ++v)
      FINEPRUNE_ISA::store(target + v * lanes, reinterpret_cast<Floats>(whole(v)));
  }
  void add(const CodeSums& other) {
    for (int v = 0; v < chains; ++v) vectors[v] += other.vectors[v];
    weights += other.weights;
  }
  Ints whole(int v) const { return vectors[v] + (weights << 7); }
};

template <int block, Weights>
inline void add_quads(CodeSums<block>& sums, Floats weights, const CodeQuads<block>& quads) {
  const int8x16_t four = reinterpret_cast<int8x16_t>(weights);
  for (int v = 0; v < CodeSums<block>::chains; ++v)
    sums.vectors[v] = vdotq_s32(sums.vectors[v], quads.vectors[v], four);
  sums.weights = vdotq_s32(sums.weights, vdupq_n_s8(1), four);
}

template <int block>
inline Numbers<block> to_floats(const CodeSums<block>& sums) {
  Numbers<block> numbers;
  for (int v = 0; v < numbers.count; ++v)
    numbers.vectors[v] = __builtin_convertvector(sums.whole(v), Floats);
  return numbers;
}

/// Writes a block of lanes of codes, each the nearest integer of a number, from 0 to 255, less 128; of
/// what is no number, any.
template <int block>
inline void store_codes(std::uint8_t* target, const Numbers<block>& numbers) {
  for (int v = 0; v < numbers.count; v += 4) {
    const auto integers = [&](int i) {
      return vqmovun_s32(vcvtnq_s32_f32(numbers.vectors[v + i]));
    };
    const uint8x8_t low = vqmovn_u16(vcombine_u16(integers(0), integers(1)));
    const uint8x8_t high = vqmovn_u16(vcombine_u16(integers(2), integers(3)));
    vst1q_u8(target + v * lanes, veorq_u8(vcombine_u8(low, high), vdupq_n_u8(0x80)));
  }
}

}  // namespace fineprune::FINEPRUNE_ISA
