#pragma once
// Sparse rows times a tile of activations. Each group of non-zeros is one broadcast and a few
// multiply-adds whose operands come straight from rows of the tile; sums stay in registers.

#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {

// A fused multiply-add takes 4 cycles and one starts each cycle: as many sums must be in flight.
inline constexpr int chains = 4;

/// The rows of activations that a group of weights is multiplied with.
template <class Product, int width>
inline void find_rows(const std::uint16_t* offsets, const typename Product::Input* input,
                      const typename Product::Input* (&rows)[Product::Arithmetic::group_size]) {
  constexpr int group_size = Product::Arithmetic::group_size;
  constexpr std::size_t scale = width / lane_multiple;
  if constexpr (group_size == 4) {  // one load is cheaper than four
    std::uint64_t four;
    __builtin_memcpy(&four, offsets, sizeof four);
    for (int i = 0; i < 4; ++i) rows[i] = input + (four >> (16 * i) & 0xffff) * scale;
  } else {
    for (int i = 0; i < group_size; ++i) rows[i] = input + offsets[i] * scale;
  }
}

/// One row of one block of columns, for a block of lanes that begins at `input`. Narrow blocks of
/// lanes take several groups at once, each into sums of its own.
template <class Product, int block, int width>
inline void add_row(const SparseBlocks<typename Product::Arithmetic>& weights, std::uint32_t group,
                    std::uint32_t end, const typename Product::Input* input,
                    typename Product::template Sums<block>& sums) {
  using Sums = typename Product::template Sums<block>;
  constexpr int ways = Sums::chains < chains ? chains / Sums::chains : 1;
  constexpr int group_size = Product::Arithmetic::group_size;
  const auto add = [&](Sums& target, std::uint32_t index, Floats weight) {
    const typename Product::Input* rows[group_size];
    find_rows<Product, width>(weights.offsets + static_cast<std::size_t>(index) * group_size, input,
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

/// All rows of the range, for a block of lanes.
template <class Product, int block, int width, class Input, class State>
void multiply_rows(const SparseBlocks<typename Product::Arithmetic>& weights, RowRange range,
                   int lane, const Input& input, const Epilogue<State>& epilogue) {
  for (int part = 0; part < weights.blocks; ++part) {
    const std::size_t first = static_cast<std::size_t>(part) * weights.rows;
    const auto* rows = Product::rows_of(input) +
                       static_cast<std::size_t>(part) * weights.block_columns * width + lane;
    for (int position = range.begin; position < range.end; ++position) {
      const int row = static_cast<int>(weights.rows_in_order[first + position]);
      const std::size_t offset = static_cast<std::size_t>(row) * width + lane;
      typename Product::template Sums<block> sums;
      if (part > 0) sums.load(epilogue.partial + offset);
      add_row<Product, block, width>(weights, weights.starts[first + position],
                                     weights.starts[first + position + 1], rows, sums);
      if (part + 1 < weights.blocks)
        sums.store(epilogue.partial + offset);
      else
        finish(epilogue, offset,
               Product::template numbers<block>(sums, input, lane, epilogue, row));
    }
  }
}

template <class Product, int width, class Input, class State>
void multiply_tile(const SparseBlocks<typename Product::Arithmetic>& weights, RowRange range,
                   const Input& input, const Epilogue<State>& epilogue) {
  constexpr int block = width < Product::most_sparse_lanes ? width : Product::most_sparse_lanes;
  for (int lane = 0; lane < width; lane += block)
    multiply_rows<Product, block, width>(weights, range, lane, input, epilogue);
}

/// A width that is a constant saves multiplications.
template <class Product>
void sparse_linear(const SparseBlocks<typename Product::Arithmetic>& weights, RowRange range,
                   int width, const InputTile<typename Product::Arithmetic>& input,
                   const Epilogue<typename Product::Arithmetic::State>& epilogue) {
  if (width == 64) multiply_tile<Product, 64>(weights, range, input, epilogue);
  if (width == 32) multiply_tile<Product, 32>(weights, range, input, epilogue);
  if (width == 16) multiply_tile<Product, 16>(weights, range, input, epilogue);
}

}  // namespace fineprune::FINEPRUNE_ISA
