#pragma once
// How a linear kernel multiplies codes of 8 bits: four weights, four rows of activations, sums in
// integers of 32 bits. All instruction sets come to the same integers.

#include "../kernels.hpp"
#include "../simd_int8.hpp"
#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// `weights`: what is known of them.
template <class State, Weights kind>
struct Int8Product {
  using Arithmetic = Int8<State>;
  using Input = std::uint8_t;
  template <int block>
  using Sums = CodeSums<block>;
  template <int block>
  using Operand = CodeQuads<block>;
  static constexpr int most_sparse_lanes = most_code_lanes;

  static const std::uint8_t* rows_of(const InputTile<Arithmetic>& input) { return input.codes; }

  template <int block>
  static Operand<block> operand(const std::uint8_t* const (&rows)[4]) {
    return quads<block>(rows);
  }

  static Floats broadcast(const typename Arithmetic::Group& weights) {
    float bits;
    __builtin_memcpy(&bits, &weights, sizeof bits);
    return FINEPRUNE_ISA::broadcast_bits(bits);
  }

  template <int block>
  static void add(Sums<block>& sums, Floats weights, const Operand<block>& operand) {
    add_quads<block, kind>(sums, weights, operand);
  }

  /// A row's sums as numbers: with activations low + step code, and a row of weights scale code, a
  /// product is scale (step (sum of products of codes) + low (sum of the weights' codes)).
  template <int block>
  static Numbers<block> numbers(const Sums<block>& sums, const InputTile<Arithmetic>& input,
                                int lane, const Epilogue<State>& epilogue, int row) {
    const Floats scale = FINEPRUNE_ISA::broadcast(epilogue.scales[row]);
    const Floats code_sum = FINEPRUNE_ISA::broadcast(epilogue.code_sums[row]);
    const Floats bias =
        FINEPRUNE_ISA::broadcast(epilogue.bias != nullptr ? epilogue.bias[row] : 0.0f);
    Numbers<block> numbers = to_floats<block>(sums);
    for (int v = 0; v < numbers.count; ++v) {
      const Floats step = load(input.steps + lane + v * lanes) * scale;
      const Floats rest = load(input.lows + lane + v * lanes) * code_sum + bias;
      numbers.vectors[v] = numbers.vectors[v] * step + rest;
    }
    return numbers;
  }
};

}  // namespace fineprune::FINEPRUNE_ISA
