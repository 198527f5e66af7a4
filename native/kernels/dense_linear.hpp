#pragma once
// Dense rows times a tile of activations: panels of rows times blocks of lanes, an outer product a
// column, all sums in registers.

#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline constexpr int panel_rows = 6;

template <class Product, int block>
void multiply_panel(const DensePanels<typename Product::Arithmetic>& weights, int first_row,
                    int width, const typename Product::Input* input,
                    typename Product::template Sums<block> (&result)[panel_rows]) {
  constexpr int group_size = Product::Arithmetic::group_size;
  const int groups = (weights.columns + group_size - 1) / group_size;
  const auto* panel = weights.groups + static_cast<std::size_t>(first_row) * groups;
  // Of its own: sums that somebody finds by a number later on would be stored with each group.
  typename Product::template Sums<block> sums[panel_rows] = {};
  for (int group = 0; group < groups; ++group, panel += panel_rows) {
    const typename Product::Input* rows[group_size];
    for (int i = 0; i < group_size; ++i) {
      // The last group may be cut short. Its other weights are zeros, for any row there is.
      const int column = group * group_size + i;
      const int existing = column < weights.columns ? column : weights.columns - 1;
      rows[i] = input + static_cast<std::size_t>(existing) * width;
    }
    const auto operand = Product::template operand<block>(rows);
    for (int r = 0; r < panel_rows; ++r)
      Product::template add<block>(sums[r], Product::broadcast(panel[r]), operand);
  }
  for (int r = 0; r < panel_rows; ++r) result[r] = sums[r];
}

template <class Product, int block, class Input, class State>
void multiply_panels(const DensePanels<typename Product::Arithmetic>& weights, RowRange range,
                     int width, int lane, const Input& input, const Epilogue<State>& epilogue) {
  for (; lane + block <= width; lane += block) {
    for (int first = range.begin; first < range.end; first += panel_rows) {
      typename Product::template Sums<block> sums[panel_rows];
      multiply_panel<Product, block>(weights, first, width, Product::rows_of(input) + lane, sums);
      for (int r = 0; r < panel_rows && first + r < range.end; ++r)
        finish(epilogue, static_cast<std::size_t>(first + r) * width + lane,
               Product::template numbers<block>(sums[r], input, lane, epilogue, first + r));
    }
  }
  if constexpr (block > lane_multiple)
    if (lane < width)
      multiply_panels<Product, block / 2>(weights, range, width, lane, input, epilogue);
}

template <class Product>
void dense_linear(const DensePanels<typename Product::Arithmetic>& weights, RowRange range,
                  int width, const InputTile<typename Product::Arithmetic>& input,
                  const Epilogue<typename Product::Arithmetic::State>& epilogue) {
  // So many vectors of 6 rows leave registers for the operands.
  constexpr int most = vector_registers / 8 * lanes;
  multiply_panels<Product, most>(weights, range, width, 0, input, epilogue);
}

}  // namespace fineprune::FINEPRUNE_ISA
