#pragma once
// Vectors of the instruction set that a source is compiled for.
//
// Every kernel source is compiled once per instruction set, with other flags and with
// FINEPRUNE_ISA naming the namespace. The types below are compiler vector extensions (GCC, Clang):
// ordinary operators work on them, `a * b + c` becomes a fused multiply-add, and one source serves
// AVX-512, AVX2, NEON and whatever 16-byte vectors a baseline has.
//
// Kernel sources use no function templates of the standard library: an inline function compiled
// here with AVX-512 might be the copy that the linker keeps for the whole library.

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace fineprune::FINEPRUNE_ISA {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int vector_registers = 32;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32;
inline constexpr int vector_registers = 16;
#elif defined(__ARM_NEON)
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#endif

inline constexpr int lanes = vector_bytes / 4;

using Floats = float __attribute__((vector_size(vector_bytes)));
using Ints = std::int32_t __attribute__((vector_size(vector_bytes)));

/// Subtracting zero changes no number, so that compilers leave only the broadcast; adding it would
/// change the sign of -0.
inline Floats broadcast(float value) { return value - Floats{}; }

/// The bits of a number in all lanes, be it a NaN.
inline Floats broadcast_bits(float bits) {
  std::int32_t integer;
  __builtin_memcpy(&integer, &bits, sizeof integer);
  return reinterpret_cast<Floats>(Ints{} + integer);
}

/// A product as it is rounded, which nothing else is fused with.
inline Floats unfused(Floats product) {
#if defined(__AVX512F__)
  asm("" : "+v"(product));
#elif defined(__x86_64__)
  asm("" : "+x"(product));
#elif defined(__aarch64__)
  asm("" : "+w"(product));
#endif
  return product;
}

/// The nearest integer, as a number and in the low bits of an integer.
struct Rounded {
  Floats number;
  Ints bits;
};

/// For |x| below 2^22: 1.5 * 2^23 leaves no bits for a fraction. The number of a NaN is NaN.
inline Rounded round_to_nearest(Floats x) {
  const Floats rounder = broadcast(12582912.0f);
  const Floats shifted = x + rounder;
  return {shifted - rounder, reinterpret_cast<Ints>(shifted)};
}

// Unaligned on purpose: on an aligned address it costs the same.
inline Floats load(const float* source) {
  Floats vector;
  __builtin_memcpy(&vector, source, sizeof vector);
  return vector;
}

inline void store(float* target, Floats vector) {
  __builtin_memcpy(target, &vector, sizeof vector);
}

// Where one of the two is NaN, the result is `b` (on NEON, NaN): a bound stands first, a number that
// may be NaN second. Compilers make a comparison and a blend of `a > b ? a : b`, not the one
// instruction there is.
#if defined(__AVX512F__)
inline Floats maximum(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats minimum(Floats a, Floats b) { return _mm512_min_ps(a, b); }
#elif defined(__AVX2__)
inline Floats maximum(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats minimum(Floats a, Floats b) { return _mm256_min_ps(a, b); }
#elif defined(__ARM_NEON)
inline Floats maximum(Floats a, Floats b) { return vmaxq_f32(a, b); }
inline Floats minimum(Floats a, Floats b) { return vminq_f32(a, b); }
#else
inline Floats maximum(Floats a, Floats b) { return a > b ? a : b; }
inline Floats minimum(Floats a, Floats b) { return a < b ? a : b; }
#endif

/// Four numbers from memory, again and again. `splat` then broadcasts each of them without a load of
/// its own: loads are what a sparse row waits for.
inline Floats load_fours(const void* source) {
  float four __attribute__((vector_size(16)));
  __builtin_memcpy(&four, source, sizeof four);
#if defined(__AVX512F__)
  return _mm512_broadcast_f32x4(four);
#elif defined(__AVX2__)
  return _mm256_set_m128(four, four);
#else
  return four;
#endif
}

/// The number at `index` of each four, in all of the four.
template <int index>
inline Floats splat(Floats fours) {
#if defined(__AVX512F__)
  return _mm512_permute_ps(fours, index * 0b01010101);
#elif defined(__AVX2__)
  return _mm256_permute_ps(fours, index * 0b01010101);
#else
  return broadcast(fours[index]);
#endif
}

}  // namespace fineprune::FINEPRUNE_ISA
