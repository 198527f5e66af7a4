#pragma once

#include "../kernels.hpp"
#include "../simd_bfloat16.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// How a linear kernel multiplies in bfloat16: two weights, two rows of activations, float32 sums.
struct Bfloat16Product {
  using Element = bfloat16;

  template <int vectors>
  struct Operand {
    Pairs pairs[vectors];
  };

  /// `vectors` vectors of lanes of a group's two rows; from two vectors on, interleaved.
  template <int vectors>
  static Operand<vectors> operand(const bfloat16* const (&rows)[2]) {
    Operand<vectors> result;
    if constexpr (vectors == 1) {
      result.pairs[0] = pair_lanes(rows[0], rows[1]);
    } else {
      for (int v = 0; v < vectors; v += 2) {
        Pairs two[2];
        interleave_lanes(rows[0] + v * lanes, rows[1] + v * lanes, two);
        result.pairs[v] = two[0];
        result.pairs[v + 1] = two[1];
      }
    }
    return result;
  }

  static Floats broadcast(const Weights<bfloat16>::Group& weights) {
    return reinterpret_cast<Floats>(broadcast_pair(&weights));
  }

  template <int vectors>
  static void add(Floats (&sums)[vectors], Floats weights, const Operand<vectors>& operand) {
    const Pairs pair = reinterpret_cast<Pairs>(weights);
    for (int v = 0; v < vectors; ++v) sums[v] = add_products(sums[v], operand.pairs[v], pair);
  }

  /// Brings sums into the order of lanes.
  template <int vectors>
  static void order(Floats (&sums)[vectors]) {
    if constexpr (vectors > 1)
      for (int v = 0; v < vectors; v += 2) order_lanes(sums[v], sums[v + 1]);
  }
};

}  // namespace fineprune::FINEPRUNE_ISA
