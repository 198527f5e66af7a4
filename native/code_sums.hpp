#pragma once

#include "kernels/epilogue.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// Sums of a row over a block of lanes, in integers of 32 bits.
template <int block>
struct CodeSums {
  static constexpr int chains = block / lanes;
  Ints vectors[chains] = {};

  void load(const float* source) {
    for (int v = 0; v < chains; ++v)
      vectors[v] = reinterpret_cast<Ints>(FINEPRUNE_ISA::load(source + v * lanes));
  }
  void store(float* target) const {
    for (int v = 0; v < chains; ++v)
      FINEPRUNE_ISA::store(target + v * lanes, reinterpret_cast<Floats>(vectors[v]));
  }
  void add(const CodeSums& other) {
    for (int v = 0; v < chains; ++v) vectors[v] += other.vectors[v];
  }
};

}  // namespace fineprune::FINEPRUNE_ISA
