#pragma once
// Sparse rows times a tile of activations. Each group of non-zeros is one broadcast and a few
// multiply-adds whose operands come straight from rows of the tile; sums stay in registers.

#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {

// A fused multiply-add takes 4 cycles and one starts each cycle: as many sums must be in flight.
inline constexpr int chains = 4;

/// The rows of activations that a group of weights is multiplied with, in a tile so many bytes wide.
template <class Product>
inline void find_rows(const std::uint16_t* columns, std::size_t width,
                      const typename Product::Input* input,
                      const typename Product::Input* (&rows)[Product::Arithmetic::group_size]) {
  constexpr int group_size = Product::Arithmetic::group_size;
  if constexpr (group_size == 4) {  // one load is cheaper than four
    std::uint64_t four;
    __builtin_memcpy(&four, columns, sizeof four);
    for (int i = 0; i < 4; ++i) rows[i] = input + (four >> (16 * i) & 0xffff) * width;
  } else {
    for (int i = 0; i < group_size; ++i) rows[i] = input + columns[i] * width;
  }
}

/// One row of one block of columns, for a block of lanes that begins at `input`. Narrow blocks of
/// lanes take several groups at once, each into sums of its own.
template <class Product, int block>
inline void add_row(const SparseBlocks<typename Product::Arithmetic>& weights, std::uint32_t group,
                    std::uint32_t end, std::size_t width, const typename Product::Input* input,
                    typename Product::template Sums<block>& sums) {
  using Sums = typename Product::template Sums<block>;
  constexpr int ways = Sums::chains < chains ? chains / Sums::chains : 1;
  constexpr int group_size = Product::Arithmetic::group_size;
  const auto add = [&](Sums& target, std::uint32_t index, Floats weight) {
    const typename Product::Input* rows[group_size];
    find_rows<Product>(weights.columns + static_cast<std::size_t>(index) * group_size, width, input,
                       rows);
    Product::template add<block>(target, weight, Product::template operand<block>(rows));
  };
  if constexpr (group_size < 4 || ways > 1) {  // else, a load a group does no harm
    Sums others[ways] = {};
    const auto way = [&](int index) -> Sums& {
      return index % ways == 0 ? sums : others[index % ways];
    };
    for (; group + 4 <= end; group += 4) {
      const Floats four = load_fours(weights.groups + group);
      add(way(0), group, splat<0>(four));
      add(way(1), group + 1, splat<1>(four));
      add(way(2), group + 2, splat<2>(four));
      add(way(3), group + 3, splat<3>(four));
    }
    for (int i = 1; i < ways; ++i) sums.add(others[i]);
  }
  for (; group < end; ++group) add(sums, group, Product::broadcast(weights.groups[group]));
}

/// All rows of the range, for a block of lanes. `width` is a constant where the block is all there is,
/// which saves multiplications.
template <class Product, int block, class Width, class Input, class State>
void multiply_rows(const SparseBlocks<typename Product::Arithmetic>& weights, RowRange range,
                   Width width, int lane, const Input& input, const Epilogue<State>& epilogue) {
  for (int part = 0; part < weights.blocks; ++part) {
    const std::size_t first = static_cast<std::size_t>(part) * weights.rows;
    const auto* rows = Product::rows_of(input) +
                       static_cast<std::size_t>(part) * weights.block_columns * width() + lane;
    for (int position = range.begin; position < range.end; ++position) {
      const int row = static_cast<int>(weights.rows_in_order[first + position]);
      const std::size_t offset = static_cast<std::size_t>(row) * width() + lane;
      typename Product::template Sums<block> sums;
      if (part > 0) sums.load(epilogue.partial + offset);
      add_row<Product, block>(weights, weights.starts[first + position],
                              weights.starts[first + position + 1], width(), rows, sums);
      if (part + 1 < weights.blocks)
        sums.store(epilogue.partial + offset);
      else
        finish(epilogue, offset,
               Product::template numbers<block>(sums, input, lane, epilogue, row));
    }
  }
}

/// Goes over the lanes in blocks, and over what is left in smaller ones.
template <class Product, int block, class Input, class State>
void multiply_lanes(const SparseBlocks<typename Product::Arithmetic>& weights, RowRange range,
                    int width, int lane, const Input& input, const Epilogue<State>& epilogue) {
  if (block == width) {
    multiply_rows<Product, block>(
        weights, range, [] { return std::size_t{block}; }, lane, input, epilogue);
    return;
  }
  for (; lane + block <= width; lane += block)
    multiply_rows<Product, block>(
        weights, range, [width] { return static_cast<std::size_t>(width); }, lane, input, epilogue);
  if constexpr (block > lanes)
    if (lane < width)
      multiply_lanes<Product, block / 2>(weights, range, width, lane, input, epilogue);
}

template <class Product>
void sparse_linear(const SparseBlocks<typename Product::Arithmetic>& weights, RowRange range,
                   int width, const InputTile<typename Product::Arithmetic>& input,
                   const Epilogue<typename Product::Arithmetic::State>& epilogue) {
  // Half of the registers hold sums, where a tile is that wide.
  constexpr int half = vector_registers / 2 * lanes;
  multiply_lanes<Product, largest_width < half ? largest_width : half>(weights, range, width, 0,
                                                                       input, epilogue);
}

}  // namespace fineprune::FINEPRUNE_ISA
