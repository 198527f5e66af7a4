#pragma once

#include "../kernels.hpp"
#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// Sums of a row over a block of lanes, in float.
template <int block>
struct FloatSums {
  static constexpr int chains = block / lanes;
  Floats vectors[chains] = {};

  void load(const float* source) {
    for (int v = 0; v < chains; ++v) vectors[v] = FINEPRUNE_ISA::load(source + v * lanes);
  }
  void store(float* target) const {
    for (int v = 0; v < chains; ++v) FINEPRUNE_ISA::store(target + v * lanes, vectors[v]);
  }
  void add(const FloatSums& other) {
    for (int v = 0; v < chains; ++v) vectors[v] += other.vectors[v];
  }
};

/// How a linear kernel multiplies in float32: one weight, one row of activations.
struct FloatProduct {
  using Arithmetic = Float32;
  using Input = float;
  template <int block>
  using Sums = FloatSums<block>;
  /// Of a sparse row at once: half of the registers hold sums.
  static constexpr int most_sparse_lanes = vector_registers / 2 * lanes;

  template <int block>
  struct Operand {
    Floats lanes_of_row[block / lanes];
  };

  static const float* rows_of(const InputTile<Float32>& input) { return input.state; }

  /// A block of lanes of a group's rows.
  template <int block>
  static Operand<block> operand(const float* const (&rows)[1]) {
    Operand<block> result;
    for (int v = 0; v < block / lanes; ++v) result.lanes_of_row[v] = load(rows[0] + v * lanes);
    return result;
  }

  static Floats broadcast(float weight) { return FINEPRUNE_ISA::broadcast(weight); }

  template <int block>
  static void add(Sums<block>& sums, Floats weight, const Operand<block>& operand) {
    for (int v = 0; v < Sums<block>::chains; ++v)
      sums.vectors[v] += weight * operand.lanes_of_row[v];
  }

  /// A row's sums as numbers, scale and bias applied, in the order of lanes.
  template <int block>
  static Numbers<block> numbers(const Sums<block>& sums, const InputTile<Float32>&, int,
                                const Epilogue<float>& epilogue, int row) {
    return scaled<block>(sums.vectors, epilogue, row);
  }
};

}  // namespace fineprune::FINEPRUNE_ISA
