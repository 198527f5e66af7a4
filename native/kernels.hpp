#pragma once
// What a kernel is given, and the table of kernels that each instruction set fills.
//
// Activations are tiles: [features][width] with `width` contiguous tokens, one lane a token.

#include <cstddef>
#include <cstdint>

namespace fineprune {

inline constexpr int lane_multiple = 16;  ///< tile widths and sequence starts are multiples of it

enum class Activation { none, relu, gelu, gelu_tanh };

/// What is done to a row of sums while it is still in registers, in this order:
/// times the row's scale, plus its bias, activation, plus the residual, stored.
template <class Element>
struct Epilogue {
  const float* scales = nullptr;    ///< [rows]; null: 1
  const float* bias = nullptr;      ///< [rows]; null: 0
  Activation activation = Activation::none;
  const float* residual = nullptr;  ///< [rows][width]; null: 0
  float* wide = nullptr;            ///< [rows][width], stored if not null
  Element* narrow = nullptr;        ///< the same in the activations' own type
};

struct RowRange {
  int begin;
  int end;
};

/// Compressed sparse rows. Column indices are below the number of columns of the input: whoever
/// makes one has checked that, the kernels do not.
struct SparseRows {
  const std::uint32_t* row_starts;  ///< [rows + 1]
  const std::uint16_t* columns;     ///< [kept]
  const float* values;              ///< [kept]
};

/// Panels of `panel_rows` rows, [panel][column][panel_rows], the last one filled up with zeros.
struct DensePanels {
  const float* values;
  int rows;
  int columns;
};

template <class Element>
struct AttentionTask {
  const Element* queries;   ///< [head_size][width] from the block's first lane on
  const Element* keys;      ///< [head_size][width], lane 0 of the tile of the sequence's first token
  const Element* values;    ///< likewise
  std::size_t tile_stride;  ///< elements from a tile to the next one
  int first_key;            ///< lane of the sequence's first token in its tile
  int key_count;            ///< tokens of the sequence
  int query_lanes;          ///< lanes of this block, a multiple of 16, all in one tile
  int head_size;
  int width;
  float scale;              ///< of the scores: 1 / sqrt(head_size)
  float* scores;            ///< workspace: `attention_workspace(key_count)` floats
  Element* context;         ///< [head_size][width]: result, laid out as the queries are
};

/// Floats of workspace for a sequence of `key_count` tokens.
constexpr std::size_t attention_workspace(int key_count) {
  return (static_cast<std::size_t>(key_count) + lane_multiple) * 2 * lane_multiple;
}

template <class Element>
struct NormalizeTask {
  const float* sums;    ///< [features][width]
  const float* weight;  ///< [features]
  const float* bias;    ///< [features]
  float epsilon;
  int features;
  int width;
  float* wide;          ///< [features][width], may be `sums`
  Element* narrow;      ///< the same in the activations' own type, or null
};

template <class Element>
struct Kernels {
  int panel_rows;
  void (*sparse_linear)(const SparseRows&, RowRange, int width, const Element* input,
                        const Epilogue<Element>&);
  void (*dense_linear)(const DensePanels&, RowRange, int width, const Element* input,
                       const Epilogue<Element>&);
  void (*attention)(const AttentionTask<Element>&);
  void (*normalize)(const NormalizeTask<Element>&);
};

}  // namespace fineprune
