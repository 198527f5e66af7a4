#pragma once

#include "../kernels.hpp"
#include "../simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// How a linear kernel multiplies in float32: one weight, one row of activations.
struct FloatProduct {
  using Element = float;

  template <int vectors>
  struct Operand {
    Floats lanes_of_row[vectors];
  };

  /// `vectors` vectors of lanes of a group's rows.
  template <int vectors>
  static Operand<vectors> operand(const float* const (&rows)[1]) {
    Operand<vectors> result;
    for (int v = 0; v < vectors; ++v) result.lanes_of_row[v] = load(rows[0] + v * lanes);
    return result;
  }

  template <int vectors>
  static void add(Floats (&sums)[vectors], const float& weight, const Operand<vectors>& operand) {
    const Floats value = broadcast(weight);
    for (int v = 0; v < vectors; ++v) sums[v] += value * operand.lanes_of_row[v];
  }

  /// Brings sums into the order of lanes.
  template <int vectors>
  static void order(Floats (&)[vectors]) {}
};

}  // namespace fineprune::FINEPRUNE_ISA
