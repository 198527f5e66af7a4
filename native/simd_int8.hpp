#pragma once
// Dot products of codes of 8 bits, four at a time, and the codes themselves: for each of them,
//
// - `CodeQuads<block>`, the codes of four rows over a block of lanes, as `quads<block>` loads them;
// - `CodeSums<block>`, sums of a row in integers of 32 bits, to which `add_quads` adds the products with
//   four weights, and of which `to_floats` makes numbers in the order of lanes;
// - `store_codes`, which rounds numbers to a block of lanes of codes;
// - `most_code_lanes`, the widest block of a sparse row or of codes that are stored.
//
// In which order the codes of a block stand, and the sums, is each one's own.

#include "kernels/epilogue.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// Sparse weights may have been put into pairs that fit, as `adds_pairs_in_16_bits` asks for; dense ones
/// stand in the order of their columns, whatever that makes of pairs.
enum class Weights { sparse, dense };

}  // namespace fineprune::FINEPRUNE_ISA

#if defined(__AVX512VNNI__)
#include "simd_int8_avx512.hpp"
#elif defined(__AVX2__) && !defined(__AVX512F__)
#include "simd_int8_avx2.hpp"
#elif defined(__ARM_FEATURE_DOTPROD)
#include "simd_int8_neon.hpp"
#else
#include "simd_int8_portable.hpp"
#endif
