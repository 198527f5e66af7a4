#pragma once
// With AVX2, whose widest product of bytes adds two of them up in 16 bits, and with AVX_VNNI, which has
// dot products of four. Codes stand in the order of lanes; sums, as unpacking leaves them.
//
// Two products of codes with weights, 255 * 127 each, do not fit into 16 bits with a sign, and the
// instruction would give the largest number that does. So sparse weights stand in pairs whose positive
// weights sum to 128 at most, and whose negative ones do: 255 * 128 fits. A positive weight with a
// negative one is always such a pair, and who makes a matrix sees to it. Weights that cannot be put in
// another order, dense ones, are multiplied in 16 bits and added up in 32, at twice the cost.

#include "code_sums.hpp"

namespace fineprune::FINEPRUNE_ISA {

#if defined(__AVXVNNI__)
inline constexpr bool has_dots = true;
#else
inline constexpr bool has_dots = false;
#endif
inline constexpr int most_code_lanes = 32;
inline constexpr bool adds_pairs_in_16_bits = !has_dots;

/// The codes of four rows, token by token, in vectors of 8 tokens.
template <int block>
struct CodeQuads {
  __m256i vectors[block / lanes];
};

/// 32 tokens. Unpacking leaves eight in each vector: four, and four from 16 tokens later on.
template <int block>
inline CodeQuads<block> quads(const std::uint8_t* const (&rows)[4]) {
  static_assert(block == 32);
  // Without a loop: it would go through memory.
  const auto load_row = [&](int i) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[i]));
  };
  const __m256i row[4] = {load_row(0), load_row(1), load_row(2), load_row(3)};
  const __m256i low[2] = {_mm256_unpacklo_epi8(row[0], row[1]),
                          _mm256_unpacklo_epi8(row[2], row[3])};
  const __m256i high[2] = {_mm256_unpackhi_epi8(row[0], row[1]),
                           _mm256_unpackhi_epi8(row[2], row[3])};
  return {{_mm256_unpacklo_epi16(low[0], low[1]), _mm256_unpackhi_epi16(low[0], low[1]),
           _mm256_unpacklo_epi16(high[0], high[1]), _mm256_unpackhi_epi16(high[0], high[1])}};
}

/// 16 tokens: four, and four from 8 tokens later on.
template <>
inline CodeQuads<16> quads<16>(const std::uint8_t* const (&rows)[4]) {
  const auto load_row = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[i]));
  };
  const auto pairs = [](__m128i first, __m128i second) {
    return _mm256_set_m128i(_mm_unpackhi_epi8(first, second), _mm_unpacklo_epi8(first, second));
  };
  const __m256i first = pairs(load_row(0), load_row(1));
  const __m256i second = pairs(load_row(2), load_row(3));
  return {{_mm256_unpacklo_epi16(first, second), _mm256_unpackhi_epi16(first, second)}};
}

/// A sum plus the dot product of four codes with four weights, in each 32 bits.
template <Weights kind>
inline __m256i add_dots(__m256i sum, __m256i codes, __m256i weights) {
#if defined(__AVXVNNI__)
  return _mm256_dpbusd_avx_epi32(sum, codes, weights);
#else
  if constexpr (kind == Weights::sparse) {
    const __m256i pairs = _mm256_maddubs_epi16(codes, weights);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  // In 16 bits each: the first and third of four, then the second and fourth.
  const __m256i first = _mm256_madd_epi16(_mm256_and_si256(codes, _mm256_set1_epi16(0xff)),
                                          _mm256_srai_epi16(_mm256_slli_epi16(weights, 8), 8));
  const __m256i second =
      _mm256_madd_epi16(_mm256_srli_epi16(codes, 8), _mm256_srai_epi16(weights, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(first, second));
#endif
}

template <int block, Weights kind>
inline void add_quads(CodeSums<block>& sums, Floats weights, const CodeQuads<block>& quads) {
  for (int v = 0; v < CodeSums<block>::chains; ++v)
    sums.vectors[v] = reinterpret_cast<Ints>(
        add_dots<kind>(reinterpret_cast<__m256i>(sums.vectors[v]), quads.vectors[v],
                       reinterpret_cast<__m256i>(weights)));
}

/// Brings tokens back into the order of lanes.
template <int block>
inline Numbers<block> to_floats(const CodeSums<block>& sums) {
  constexpr int half = CodeSums<block>::chains / 2;
  const auto number = [](__m256i integers) {
    return reinterpret_cast<Floats>(_mm256_cvtepi32_ps(integers));
  };
  Numbers<block> numbers;
  for (int v = 0; v < half; ++v) {
    const auto first = reinterpret_cast<__m256i>(sums.vectors[2 * v]);
    const auto second = reinterpret_cast<__m256i>(sums.vectors[2 * v + 1]);
    numbers.vectors[v] = number(_mm256_permute2x128_si256(first, second, 0x20));
    numbers.vectors[half + v] = number(_mm256_permute2x128_si256(first, second, 0x31));
  }
  return numbers;
}

/// Writes a block of lanes of codes, each the nearest integer of a number, from 0 to 255; of what is
/// no number, any.
template <int block>
inline void store_codes(std::uint8_t* target, const Numbers<block>& numbers) {
  const auto integers = [&](int v) {
    return _mm256_cvtps_epi32(reinterpret_cast<__m256>(numbers.vectors[v]));
  };
  for (int v = 0; v < numbers.count; v += 2) {
    // Packing leaves the halves of both in turns.
    const __m256i pairs = _mm256_permute4x64_epi64(
        _mm256_packus_epi32(integers(v), integers(v + 1)), 0b11011000);
    const __m128i codes =
        _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    __builtin_memcpy(target + v * lanes, &codes, sizeof codes);
  }
}

}  // namespace fineprune::FINEPRUNE_ISA
