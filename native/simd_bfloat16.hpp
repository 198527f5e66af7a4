#pragma once
// What AVX512_BF16 adds: conversion, and dot products of pairs that sum up in float32.

#include <immintrin.h>

#include "bfloat16.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// 16 lanes of two bfloat16 each: two factors of a sum of products.
using Pairs = __m512i;

inline void store(bfloat16* target, Floats vector) {
  const __m256bh rounded = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(vector));
  __builtin_memcpy(target, &rounded, sizeof rounded);
}

inline Floats load(const bfloat16* source) {
  __m256i numbers;
  __builtin_memcpy(&numbers, source, sizeof numbers);
  return reinterpret_cast<Floats>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(numbers), 16));
}

/// One pair in all lanes.
inline Pairs broadcast_pair(const void* pair) {
  std::int32_t bits;
  __builtin_memcpy(&bits, pair, sizeof bits);
  return _mm512_set1_epi32(bits);
}

/// One number in all lanes, and zero beside it.
inline Pairs broadcast_first(const bfloat16* number) { return _mm512_set1_epi32(number->bits); }

/// sum + a.first * b.first + a.second * b.second, lane by lane.
inline Floats add_products(Floats sum, Pairs a, Pairs b) {
  return reinterpret_cast<Floats>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum),
                                                   reinterpret_cast<__m512bh>(a),
                                                   reinterpret_cast<__m512bh>(b)));
}

/// Pairs of 16 lanes of one row with the same lanes of another.
inline Pairs pair_lanes(const bfloat16* first, const bfloat16* second) {
  using Halves = std::int16_t __attribute__((vector_size(vector_bytes)));
  const Halves order = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m256i rows[2];
  __builtin_memcpy(&rows[0], first, sizeof rows[0]);
  __builtin_memcpy(&rows[1], second, sizeof rows[1]);
  return _mm512_permutexvar_epi16(reinterpret_cast<__m512i>(order),
                                  _mm512_inserti64x4(_mm512_castsi256_si512(rows[0]), rows[1], 1));
}

/// Pairs of 32 lanes of two rows, in `interleaved` order: one shuffle for each vector, where the
/// order of lanes would take more.
inline void interleave_lanes(const bfloat16* first, const bfloat16* second, Pairs (&pairs)[2]) {
  const __m512i a = _mm512_loadu_si512(first);
  __m512i b = _mm512_loadu_si512(second);
  asm("" : "+v"(b));  // compilers would load it a second time, for the second instruction
  pairs[0] = _mm512_unpacklo_epi16(a, b);
  pairs[1] = _mm512_unpackhi_epi16(a, b);
}

/// Brings two vectors from that order into the order of lanes. Unpacking takes the lower, and the
/// upper, four of each eight lanes.
inline void order_lanes(Floats& low, Floats& high) {
  const Ints first = {0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23};
  const Ints second = first + 8;
  const __m512 a = reinterpret_cast<__m512>(low);
  const __m512 b = reinterpret_cast<__m512>(high);
  low = reinterpret_cast<Floats>(_mm512_permutex2var_ps(a, reinterpret_cast<__m512i>(first), b));
  high = reinterpret_cast<Floats>(_mm512_permutex2var_ps(a, reinterpret_cast<__m512i>(second), b));
}

}  // namespace fineprune::FINEPRUNE_ISA
