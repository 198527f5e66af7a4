#pragma once
// What a kernel is given, and the table of kernels that each instruction set fills.
//
// Activations are tiles: [features][width] with `width` contiguous tokens, one lane a token.
// `State` is their type: float or bfloat16.

#include <cstddef>
#include <cstdint>

#include "arithmetic.hpp"

namespace fineprune {

inline constexpr int lane_multiple = 16;  ///< sequences start at multiples of it
inline constexpr int largest_width = 64;  ///< tiles are 16, 32 or 64 lanes wide

enum class Activation { none, relu, gelu, gelu_tanh, tanh };

/// What is done to a row of sums while it is still in registers, in this order:
/// times the row's scale, plus its bias, activation, plus the residual, stored.
template <class State>
struct Epilogue {
  const float* scales = nullptr;    ///< [rows]; null: 1
  const float* code_sums = nullptr; ///< [rows], of codes alone: the row's sum of them, times its scale
  const float* bias = nullptr;      ///< [rows]; null: 0
  Activation activation = Activation::none;
  const float* residual = nullptr;  ///< [rows][width]; null: 0
  float* partial = nullptr;         ///< [rows][width]: workspace for sums, may be `wide`
  float* wide = nullptr;            ///< [rows][width], stored if not null
  State* narrow = nullptr;          ///< the same in the activations' own type, if not null
};

struct RowRange {
  int begin;
  int end;
};

/// What a linear reads of a tile.
template <class Arithmetic>
struct InputTile {
  const typename Arithmetic::State* state;  ///< [columns][width]
};

/// Number `x` of a lane is `lows[lane] + code * steps[lane]`. In which order the codes of a row stand,
/// only the kernels know. Linears of `Exact` read the state, where the encoder has any of them.
template <class State>
struct InputTile<Int8<State>> {
  const State* state;
  const std::uint8_t* codes;  ///< [columns][width]
  const float* steps;         ///< [width]
  const float* lows;          ///< [width]
};

/// Sparse rows, cut into blocks of columns. What a block reads of a tile of activations stays in
/// the first levels of cache while all rows go over it.
///
/// Within a panel of `sparse_panel_rows` rows, a block's rows are sorted by how much they keep:
/// then the end of a row is where the branch predictor expects it.
///
/// Offsets are those of a column in a tile of `lane_multiple` lanes, counted from the block's first
/// column, and below the block's end: whoever makes one has checked that, the kernels do not. In wider
/// tiles they are two or four times as far, which an address costs nothing.
template <class Arithmetic>
struct SparseBlocks {
  int rows;
  int blocks;
  int block_columns;
  const std::uint32_t* rows_in_order;  ///< [blocks][rows]
  const std::uint32_t* starts;         ///< [blocks][rows], and the end: first group of each
  const std::uint16_t* offsets;        ///< [groups][group_size]
  const typename Arithmetic::Group* groups;
};

inline constexpr int sparse_panel_rows = 64;
inline constexpr int most_block_columns = ((1 << 16) - 1) / lane_multiple;  ///< whose offsets fit

/// Panels of `panel_rows` rows, the last one filled up with zeros: [panel][column / group_size]
/// [panel_rows] groups of consecutive columns.
template <class Arithmetic>
struct DensePanels {
  int rows;
  int columns;
  const typename Arithmetic::Group* groups;
};

/// What is added to scores of a head, before they are scaled, by how far a query stands behind a key.
struct DistanceBias {
  const float* values = nullptr;  ///< [2 * reach + 1], of distances -reach to reach; or null
  int reach = 0;                  ///< what is farther away has the value of this distance

  float at(int distance) const {
    return values[(distance < -reach ? -reach : distance > reach ? reach : distance) + reach];
  }
};

/// Features of distances: a key's score is that of what it holds, and of where it stands. Each distance has
/// a row in both tables, [rows][features].
struct DistanceRows {
  const std::int32_t* rows = nullptr;  ///< [2 * reach + 1], of distances -reach to reach; or null
  int reach = 0;                       ///< what is farther away has the row of this distance
  const float* keys = nullptr;         ///< that queries are multiplied with; or null
  const float* queries = nullptr;      ///< that keys are multiplied with; or null
  std::size_t features = 0;            ///< of a row

  int at(int distance) const {
    return rows[(distance < -reach ? -reach : distance > reach ? reach : distance) + reach];
  }
};

/// Queries of one head, in one tile, and all keys and values of their sequence. Queries, keys,
/// values and contexts stand in tiles of their own, [hidden][width], one behind the other with the
/// stride of the largest width; only the batch's last tile may be narrower.
template <class State>
struct AttentionTask {
  const State* queries;     ///< the tile of the queries
  State* context;           ///< the tile of the result; may be the same
  int width;                ///< of these two
  int first_query;          ///< lane, a multiple of 16
  int query_lanes;          ///< how many, a multiple of 16
  int query_token;          ///< which of the keys' tokens stands in the first of these lanes
  const State* keys;        ///< the tile of the sequence's first token
  const State* values;      ///< likewise
  std::size_t tile_stride;  ///< elements from a tile to the next one
  int last_tile;            ///< the batch's last tile, counted from that of the first token
  int last_width;           ///< of that one
  int first_key;            ///< lane of the first key, a multiple of 16
  int key_count;            ///< of the sequence's tokens, as many as are attended to
  int first_feature;        ///< of the head
  int head_size;
  float scale;              ///< of scores
  DistanceBias bias = {};
  DistanceRows distances = {};
  const std::int32_t* places = nullptr;  ///< [key_count], of tokens; null: one after another
  float* workspace;  ///< `attention_workspace` floats
};

/// At least as many as a block of queries has distances to keys; what stands behind so many floats is
/// aligned as they are.
constexpr std::size_t distance_columns(int key_count) {
  const std::size_t keys = static_cast<std::size_t>(key_count) + lane_multiple - 1;
  return keys / lane_multiple * lane_multiple + 2 * lane_multiple;
}

/// Floats of workspace for what a block of queries adds to scores by distance.
constexpr std::size_t distance_workspace(int key_count, int head_size, bool has_rows) {
  return distance_columns(key_count) * (has_rows ? static_cast<std::size_t>(head_size) : 1);
}

/// Floats of workspace for a head of a sequence of `key_count` tokens, whose distances have rows or not.
constexpr std::size_t attention_workspace(int key_count, int head_size, bool has_rows = false) {
  const std::size_t keys = static_cast<std::size_t>(key_count) + lane_multiple;
  const std::size_t features = static_cast<std::size_t>(head_size) + 1;
  return distance_workspace(key_count, head_size, has_rows) +
         2 * lane_multiple * (keys + features) + keys * features;
}

template <class State>
struct NormalizeTask {
  const float* sums;    ///< [features][width]
  const float* weight;  ///< [features]
  const float* bias;    ///< [features]
  float epsilon;
  int features;
  int width;
  float* wide;          ///< [features][width], may be `sums`
  State* narrow;        ///< the same in the activations' own type, if not null
};

/// target *= source, some rows of both.
template <class State>
struct MultiplyTask {
  RowRange rows;
  int width;
  const State* source;  ///< [features][width]
  State* target;        ///< [features][width]
};

/// Turns pairs of features of some heads: those of the first half of a head with those of the second.
template <class State>
struct RotateTask {
  RowRange heads;
  int head_size;
  int width;
  const float* angles;  ///< [head_size][width]: cosines of the angle of each pair, then sines
  State* target;        ///< [features][width]
};

/// Makes codes of a tile. A lane's lowest number becomes 0 and its highest 255. A lane that holds
/// anything that is no finite number has steps or lows that are none.
template <class Number>
struct QuantizeTask {
  const Number* numbers;  ///< [features][width]
  int features;
  int width;
  std::uint8_t* codes;    ///< [features][width]
  float* steps;           ///< [width]
  float* lows;            ///< [width]
};

/// What arithmetics need of kernels beyond those that all have.
template <class Arithmetic>
struct OwnKernels {};

template <>
struct OwnKernels<Float32> {
  /// All rows times one token, (columns,), not scaled. Behind the last panel there is room to read as much
  /// as a panel has rows.
  void (*dense_token)(const DensePanels<Float32>&, const float* token, float* output);
};

template <class State>
struct OwnKernels<Int8<State>> {
  void (*quantize_floats)(const QuantizeTask<float>&);
  void (*quantize_state)(const QuantizeTask<State>&);
  bool adds_pairs_in_16_bits;  ///< the sparse kernel, two products of codes each: weights must allow it
};

template <class Arithmetic>
struct Kernels {
  using State = typename Arithmetic::State;

  int panel_rows;
  /// The range begins and ends at multiples of `sparse_panel_rows`, or at the last row.
  void (*sparse_linear)(const SparseBlocks<Arithmetic>&, RowRange, int width,
                        const InputTile<Arithmetic>&, const Epilogue<State>&);
  /// The range begins and ends at multiples of `panel_rows`, or at the last row.
  void (*dense_linear)(const DensePanels<Arithmetic>&, RowRange, int width,
                       const InputTile<Arithmetic>&, const Epilogue<State>&);
  void (*attention)(const AttentionTask<State>&);
  void (*normalize)(const NormalizeTask<State>&);
  void (*multiply)(const MultiplyTask<State>&);
  void (*rotate)(const RotateTask<State>&);
  OwnKernels<Arithmetic> own = {};
};

}  // namespace fineprune
