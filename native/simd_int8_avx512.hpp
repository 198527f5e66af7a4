#pragma once
// With AVX512_VNNI: dot products want the four codes of a token side by side. Two levels of unpack make
// that of four rows, and codes are stored in the order that brings sums into the order of lanes.

#include "kernels/epilogue.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline constexpr int most_code_lanes = 64;
inline constexpr bool adds_pairs_in_16_bits = false;

/// Of blocks of 64 and 32 lanes: as many bytes as the block has lanes, a row of codes, or the four codes
/// of each of a quarter of the lanes. `add_dots` adds the dot product of four codes with four weights, in each 32 bits.
template <int block>
struct CodeVector;

template <>
struct CodeVector<64> {
  using Type = __m512i;
  static Type low_bytes(Type a, Type b) { return _mm512_unpacklo_epi8(a, b); }
  static Type high_bytes(Type a, Type b) { return _mm512_unpackhi_epi8(a, b); }
  static Type low_pairs(Type a, Type b) { return _mm512_unpacklo_epi16(a, b); }
  static Type high_pairs(Type a, Type b) { return _mm512_unpackhi_epi16(a, b); }
  static Type add_dots(Type sum, Type codes, __m512i weights) {
    return _mm512_dpbusd_epi32(sum, codes, weights);
  }
};

template <>
struct CodeVector<32> {
  using Type = __m256i;
  static Type low_bytes(Type a, Type b) { return _mm256_unpacklo_epi8(a, b); }
  static Type high_bytes(Type a, Type b) { return _mm256_unpackhi_epi8(a, b); }
  static Type low_pairs(Type a, Type b) { return _mm256_unpacklo_epi16(a, b); }
  static Type high_pairs(Type a, Type b) { return _mm256_unpackhi_epi16(a, b); }
  static Type add_dots(Type sum, Type codes, __m512i weights) {
    return _mm256_dpbusd_epi32(sum, codes, _mm512_castsi512_si256(weights));
  }
};

template <int block>
using Bytes = typename CodeVector<block>::Type;

template <int block>
struct CodeQuads {
  Bytes<block> quarters[4];
};

/// The codes of four rows, token by token.
template <int block>
inline CodeQuads<block> quads(const std::uint8_t* const (&rows)[4]) {
  Bytes<block> row[4];
  for (int i = 0; i < 4; ++i) __builtin_memcpy(&row[i], rows[i], block);
  // Compilers would load them a second time, for the second instruction.
  asm("" : "+v"(row[1]), "+v"(row[3]));
  using Vector = CodeVector<block>;
  const Bytes<block> low[2] = {Vector::low_bytes(row[0], row[1]), Vector::low_bytes(row[2], row[3])};
  const Bytes<block> high[2] = {Vector::high_bytes(row[0], row[1]),
                                Vector::high_bytes(row[2], row[3])};
  return {{Vector::low_pairs(low[0], low[1]), Vector::high_pairs(low[0], low[1]),
           Vector::low_pairs(high[0], high[1]), Vector::high_pairs(high[0], high[1])}};
}

/// Sums of a row over a block of lanes, in integers of 32 bits.
template <int block>
struct CodeSums {
  static constexpr int chains = 4;
  Bytes<block> quarters[4] = {};

  // One by one: to copy all of them at once, compilers keep them in memory.
  void load(const float* source) {
    for (int q = 0; q < 4; ++q)
      __builtin_memcpy(&quarters[q], source + q * (block / 4), sizeof quarters[q]);
  }
  void store(float* target) const {
    for (int q = 0; q < 4; ++q)
      __builtin_memcpy(target + q * (block / 4), &quarters[q], sizeof quarters[q]);
  }
  void add(const CodeSums&) {}  // one way only: four chains are enough
};

#if defined(__AVX512VBMI__)
/// For a permutation of bytes of two vectors, each of which holds two rows of 16 codes.
struct ByteOrder {
  std::uint8_t bytes[64] = {};

  constexpr ByteOrder() {
    for (int lane = 0; lane < 16; ++lane)
      for (int row = 0; row < 4; ++row)
        bytes[4 * lane + row] = static_cast<std::uint8_t>(row / 2 * 64 + row % 2 * 16 + lane);
  }
};
#endif

/// A block of 16 lanes: the codes of four rows fill one vector, which one permutation of bytes
/// transposes, or three of larger parts: permutations are what so narrow a block waits for.
template <>
struct CodeQuads<16> {
  __m512i quads;
};

template <>
struct CodeSums<16> {
  static constexpr int chains = 1;
  __m512i sums = {};

  void load(const float* source) { __builtin_memcpy(&sums, source, sizeof sums); }
  void store(float* target) const { __builtin_memcpy(target, &sums, sizeof sums); }
  void add(const CodeSums& other) { sums = _mm512_add_epi32(sums, other.sums); }
};

template <>
inline CodeQuads<16> quads<16>(const std::uint8_t* const (&rows)[4]) {
  const auto load_row = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[i]));
  };
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(load_row(0)), load_row(1), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(load_row(2)), load_row(3), 1);
#if defined(__AVX512VBMI__)
  alignas(64) static constexpr ByteOrder order;
  return {_mm512_permutex2var_epi8(_mm512_castsi256_si512(low), _mm512_load_si512(order.bytes),
                                   _mm512_castsi256_si512(high))};
#else
  const __m512i all = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  const __m512i fours = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m128i bytes = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return {_mm512_shuffle_epi8(_mm512_permutexvar_epi32(fours, all),
                              _mm512_broadcast_i32x4(bytes))};
#endif
}

template <int block, Weights>
inline void add_quads(CodeSums<block>& sums, Floats weights, const CodeQuads<block>& quads) {
  if constexpr (block == 16)
    sums.sums =
        _mm512_dpbusd_epi32(sums.sums, quads.quads, reinterpret_cast<__m512i>(weights));
  else
    for (int q = 0; q < 4; ++q)
      sums.quarters[q] = CodeVector<block>::add_dots(sums.quarters[q], quads.quarters[q],
                                                   reinterpret_cast<__m512i>(weights));
}

template <int block>
inline Numbers<block> to_floats(const CodeSums<block>& sums) {
  Numbers<block> numbers;
  const auto put = [&](int v, __m512i integers) {
    numbers.vectors[v] = reinterpret_cast<Floats>(_mm512_cvtepi32_ps(integers));
  };
  if constexpr (block == 16) {
    put(0, sums.sums);
  } else if constexpr (block == 32) {
    for (int v = 0; v < 2; ++v)
      put(v, _mm512_inserti64x4(_mm512_castsi256_si512(sums.quarters[2 * v]),
                                sums.quarters[2 * v + 1], 1));
  } else {
    for (int v = 0; v < 4; ++v) put(v, sums.quarters[v]);
  }
  return numbers;
}

/// Writes a block of lanes of codes, each the nearest integer of a number, from 0 to 255; of what is
/// no number, any.
template <int block>
inline void store_codes(std::uint8_t* target, const Numbers<block>& numbers) {
  __m512i integers[block / lanes];
  for (int v = 0; v < block / lanes; ++v)
    integers[v] = _mm512_cvtps_epi32(reinterpret_cast<__m512>(numbers.vectors[v]));
  if constexpr (block == 64) {
    const __m512i codes = _mm512_packus_epi16(_mm512_packus_epi32(integers[0], integers[1]),
                                              _mm512_packus_epi32(integers[2], integers[3]));
    __builtin_memcpy(target, &codes, sizeof codes);
  } else if constexpr (block == 32) {
    __m256i pairs[2];
    for (int v = 0; v < 2; ++v)
      pairs[v] = _mm256_packus_epi32(_mm512_castsi512_si256(integers[v]),
                                     _mm512_extracti64x4_epi64(integers[v], 1));
    const __m256i codes = _mm256_packus_epi16(pairs[0], pairs[1]);
    __builtin_memcpy(target, &codes, sizeof codes);
  } else {
    // Negative ones are 0: narrowing takes what it gets for a number without a sign.
    const __m128i codes =
        _mm512_cvtusepi32_epi8(_mm512_max_epi32(integers[0], _mm512_setzero_si512()));
    __builtin_memcpy(target, &codes, sizeof codes);
  }
}

}  // namespace fineprune::FINEPRUNE_ISA
