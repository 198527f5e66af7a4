#pragma once
// Dense rows times a tile of activations: panels of rows times blocks of lanes, an outer product a
// column, all sums in registers.

#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline constexpr int panel_rows = 6;

template <class Product, int vectors>
void multiply_panel(const DensePanels<typename Product::Element>& weights, int first_row, int width,
                    const typename Product::Element* input, Floats (&sums)[panel_rows][vectors]) {
  using Element = typename Product::Element;
  constexpr int group_size = Weights<Element>::group_size;
  const int groups = (weights.columns + group_size - 1) / group_size;
  const auto* panel = weights.groups + static_cast<std::size_t>(first_row) * groups;
  for (int group = 0; group < groups; ++group, panel += panel_rows) {
    const Element* rows[group_size];
    for (int i = 0; i < group_size; ++i) {
      // The last group may be cut short. Its other weights are zeros, for any row there is.
      const int column = group * group_size + i;
      const int existing = column < weights.columns ? column : weights.columns - 1;
      rows[i] = input + static_cast<std::size_t>(existing) * width;
    }
    const auto operand = Product::template operand<vectors>(rows);
    for (int r = 0; r < panel_rows; ++r)
      Product::template add<vectors>(sums[r], Product::broadcast(panel[r]), operand);
  }
}

template <class Product, int vectors>
void multiply_panels(const DensePanels<typename Product::Element>& weights, RowRange range,
                     int width, int lane, const typename Product::Element* input,
                     const Epilogue<typename Product::Element>& epilogue) {
  for (; lane + vectors * lanes <= width; lane += vectors * lanes) {
    for (int first = range.begin; first < range.end; first += panel_rows) {
      Floats sums[panel_rows][vectors] = {};
      multiply_panel<Product, vectors>(weights, first, width, input + lane, sums);
      for (int r = 0; r < panel_rows && first + r < range.end; ++r) {
        Product::order(sums[r]);
        finish(epilogue, first + r, static_cast<std::size_t>(first + r) * width + lane, sums[r]);
      }
    }
  }
  if constexpr (vectors > 1)
    if (lane < width)
      multiply_panels<Product, vectors / 2>(weights, range, width, lane, input, epilogue);
}

template <class Product>
void dense_linear(const DensePanels<typename Product::Element>& weights, RowRange range, int width,
                  const typename Product::Element* input,
                  const Epilogue<typename Product::Element>& epilogue) {
  // So many vectors of 6 rows leave registers for the operands.
  constexpr int most = vector_registers / 8;
  multiply_panels<Product, most>(weights, range, width, 0, input, epilogue);
}

}  // namespace fineprune::FINEPRUNE_ISA
