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

  static Floats broadcast(float weight) { return FINEPRUNE_ISA::broadcast(weight); }

  template <int vectors>
  static void add(Floats (&sums)[vectors], Floats weight, const Operand<vectors>& operand) {
    for (int v = 0; v < vectors; ++v) sums[v] += weight * operand.lanes_of_row[v];
  }

  /// Brings sums into the order of lanes.
  template <int vectors>
  static void order(Floats (&)[vectors]) {}
};

}  // namespace fineprune::FINEPRUNE_ISA
