#pragma once
// Sparse rows times a tile of activations. Each group of non-zeros is one broadcast and a few
// multiply-adds whose operands come straight from rows of the tile; sums stay in registers.

#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {

// A fused multiply-add takes 4 cycles and one starts each cycle: as many sums must be in flight.
inline constexpr int chains = 4;

/// One row of one block, for a block of `vectors` vectors of lanes that begins at `input`. Narrow
/// blocks take several groups at once, each into sums of its own.
template <class Product, int vectors>
inline void add_row(const SparseBlocks<typename Product::Element>& weights, std::uint32_t group,
                    std::uint32_t end, int width, const typename Product::Element* input,
                    Floats (&sums)[vectors]) {
  using Element = typename Product::Element;
  constexpr int ways = vectors < chains ? chains / vectors : 1;
  constexpr int group_size = Weights<Element>::group_size;
  Floats others[ways][vectors] = {};
  const auto way = [&](int index) -> Floats(&)[vectors] {
    return index % ways == 0 ? sums : others[index % ways];
  };
  const auto add = [&](Floats(&target)[vectors], std::uint32_t index, Floats weight) {
    const std::uint16_t* columns = weights.columns + static_cast<std::size_t>(index) * group_size;
    const Element* rows[group_size];
    for (int i = 0; i < group_size; ++i)
      rows[i] = input + static_cast<std::size_t>(columns[i]) * width;
    Product::template add<vectors>(target, weight, Product::template operand<vectors>(rows));
  };
  for (; group + 4 <= end; group += 4) {
    const Floats four = load_fours(weights.groups + group);
    add(way(0), group, splat<0>(four));
    add(way(1), group + 1, splat<1>(four));
    add(way(2), group + 2, splat<2>(four));
    add(way(3), group + 3, splat<3>(four));
  }
  for (; group < end; ++group) add(sums, group, Product::broadcast(weights.groups[group]));
  for (int i = 1; i < ways; ++i)
    for (int v = 0; v < vectors; ++v) sums[v] += others[i][v];
}

template <class Product, int vectors>
void multiply_rows(const SparseBlocks<typename Product::Element>& weights, RowRange range,
                   int width, int lane, const typename Product::Element* input,
                   const Epilogue<typename Product::Element>& epilogue) {
  for (int block = 0; block < weights.blocks; ++block) {
    const std::size_t first = static_cast<std::size_t>(block) * weights.rows;
    const auto* block_input =
        input + static_cast<std::size_t>(block) * weights.block_columns * width + lane;
    for (int position = range.begin; position < range.end; ++position) {
      const int row = static_cast<int>(weights.rows_in_order[first + position]);
      const std::size_t offset = static_cast<std::size_t>(row) * width + lane;
      Floats sums[vectors] = {};
      if (block > 0)
        for (int v = 0; v < vectors; ++v) sums[v] = load(epilogue.partial + offset + v * lanes);
      add_row<Product, vectors>(weights, weights.starts[first + position],
                                weights.starts[first + position + 1], width, block_input, sums);
      if (block + 1 < weights.blocks) {
        for (int v = 0; v < vectors; ++v) store(epilogue.partial + offset + v * lanes, sums[v]);
      } else {
        Product::order(sums);
        finish(epilogue, row, offset, sums);
      }
    }
  }
}

/// Goes over the lanes in blocks of `vectors` vectors, and over what is left in smaller ones.
template <class Product, int vectors>
void multiply_lanes(const SparseBlocks<typename Product::Element>& weights, RowRange range,
                    int width, int lane, const typename Product::Element* input,
                    const Epilogue<typename Product::Element>& epilogue) {
  for (; lane + vectors * lanes <= width; lane += vectors * lanes)
    multiply_rows<Product, vectors>(weights, range, width, lane, input, epilogue);
  if constexpr (vectors > 1)
    if (lane < width)
      multiply_lanes<Product, vectors / 2>(weights, range, width, lane, input, epilogue);
}

template <class Product>
void sparse_linear(const SparseBlocks<typename Product::Element>& weights, RowRange range,
                   int width, const typename Product::Element* input,
                   const Epilogue<typename Product::Element>& epilogue) {
  // Half of the registers hold sums, where a tile is that wide.
  constexpr int wide = largest_width / lanes;
  constexpr int most = wide < vector_registers / 2 ? wide : vector_registers / 2;
  multiply_lanes<Product, most>(weights, range, width, 0, input, epilogue);
}

}  // namespace fineprune::FINEPRUNE_ISA
