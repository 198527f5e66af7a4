#pragma once
// Dense rows times one token: the heads of short requests, for which most lanes of a tile would be empty.
// The rows of a panel take the place of lanes.

#include "dense_linear.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline void dense_token(const DensePanels<Float32>& weights, const float* token, float* output) {
  constexpr int chains = 4;
  // More than a panel has rows: what is read of the next column counts for nothing.
  using Rows = float __attribute__((vector_size(32)));
  static_assert(sizeof(Rows) >= panel_rows * sizeof(float));
  static_assert(sizeof(Rows) <= 2 * panel_rows * sizeof(float));
  const float* column = weights.groups;
  for (int first = 0; first < weights.rows; first += panel_rows) {
    Rows sums[chains] = {};
    const auto add = [&](Rows& sum, float number) {
      Rows rows;
      __builtin_memcpy(&rows, column, sizeof rows);
      sum += rows * number;
      column += panel_rows;
    };
    int c = 0;
    for (; c + chains <= weights.columns; c += chains)
      for (int chain = 0; chain < chains; ++chain) add(sums[chain], token[c + chain]);
    for (; c < weights.columns; ++c) add(sums[0], token[c]);
    const Rows sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    for (int row = 0; row < panel_rows && first + row < weights.rows; ++row)
      output[first + row] = sum[row];
  }
}

}  // namespace fineprune::FINEPRUNE_ISA
