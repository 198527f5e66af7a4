#pragma once

#include "../kernels.hpp"
#include "../simd_bfloat16.hpp"
#include "product_float.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// How a linear kernel multiplies in bfloat16: two weights, two rows of activations, float32 sums.
struct Bfloat16Product {
  using Arithmetic = Bfloat16;
  using Input = bfloat16;
  template <int block>
  using Sums = FloatSums<block>;
  static constexpr int most_sparse_lanes = FloatProduct::most_sparse_lanes;

  template <int block>
  struct Operand {
    Pairs pairs[block / lanes];
  };

  static const bfloat16* rows_of(const InputTile<Bfloat16>& input) { return input.state; }

  /// A block of lanes of a group's two rows; from two vectors on, interleaved.
  template <int block>
  static Operand<block> operand(const bfloat16* const (&rows)[2]) {
    Operand<block> result;
    if constexpr (block == lanes) {
      result.pairs[0] = pair_lanes(rows[0], rows[1]);
    } else {
      for (int v = 0; v < block / lanes; v += 2) {
        Pairs two[2];
        interleave_lanes(rows[0] + v * lanes, rows[1] + v * lanes, two);
        result.pairs[v] = two[0];
        result.pairs[v + 1] = two[1];
      }
    }
    return result;
  }

  static Floats broadcast(const Bfloat16::Group& weights) {
    return reinterpret_cast<Floats>(broadcast_pair(&weights));
  }

  template <int block>
  static void add(Sums<block>& sums, Floats weights, const Operand<block>& operand) {
    const Pairs pair = reinterpret_cast<Pairs>(weights);
    for (int v = 0; v < Sums<block>::chains; ++v)
      sums.vectors[v] = add_products(sums.vectors[v], operand.pairs[v], pair);
  }

  /// A row's sums as numbers, scale and bias applied, in the order of lanes.
  template <int block>
  static Numbers<block> numbers(Sums<block> sums, const InputTile<Bfloat16>&, int,
                                const Epilogue<bfloat16>& epilogue, int row) {
    if constexpr (block > lanes)
      for (int v = 0; v < Sums<block>::chains; v += 2)
        order_lanes(sums.vectors[v], sums.vectors[v + 1]);
    return scaled<block>(sums.vectors, epilogue, row);
  }
};

}  // namespace fineprune::FINEPRUNE_ISA
