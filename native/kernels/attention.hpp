#pragma once
// Attention of a block of queries, one lane a query: a key's scores stand side by side, so that the
// softmax runs down the lanes and needs no horizontal reduction, and nothing is transposed.

#include "../kernels.hpp"
#include "../simd.hpp"
#if defined(__AVX512BF16__)
#include "../simd_bfloat16.hpp"
#endif
#include "token_rows.hpp"

namespace fineprune::FINEPRUNE_ISA {

// Rows of sums in registers at once, beside two vectors of queries. Such a block of keys never
// crosses a tile: sequences and tiles begin at multiples of 16 lanes.
inline constexpr int key_block = vector_registers == 32 ? 8 : 4;
inline constexpr int feature_block = key_block;
static_assert(lane_multiple % key_block == 0);

/// The largest score of each query. `scores` are [keys][vectors] of vectors. A NaN among them may be
/// passed over here: its own weight will be NaN, and with it the sum.
template <int vectors>
inline void find_largest(const float* scores, int keys, Floats (&largest)[vectors]) {
  for (int v = 0; v < vectors; ++v) largest[v] = load(scores + v * lanes);
  for (int key = 1; key < keys; ++key)
    for (int v = 0; v < vectors; ++v)
      largest[v] = maximum(largest[v], load(scores + (key * vectors + v) * lanes));
}

/// How far a query stands behind a key, where places tell.
template <class State>
int distance_of(const AttentionTask<State>& task, int query, int key) {
  const int last = task.key_count - 1;
  return task.places[query < last ? query : last] - task.places[key];  // lanes without a token: any
}

/// Calls `add(key, column)` for all keys, after `fill(column, distance)` for each query's distance to that
/// key, of a block of `queries`: these are columns from `column` on. Neighbouring lanes are neighbouring
/// distances: so columns stand one behind the other in a row that all keys share, unless tokens are
/// missing between those that are there.
template <int queries, class State, class Fill, class Add>
void for_distances(const AttentionTask<State>& task, int lane, const Fill& fill, const Add& add) {
  const int first = task.query_token + lane - task.first_query;
  const int last_key = task.key_count - 1;
  if (task.places == nullptr)
    for (int i = 0; i < last_key + queries; ++i) fill(i, first + i - last_key);
  for (int key = 0; key <= last_key; ++key) {
    if (task.places != nullptr)
      for (int i = 0; i < queries; ++i) fill(i, distance_of(task, first + i, key));
    add(key, task.places == nullptr ? last_key - key : 0);
  }
}

/// Adds biases to the scores of a block of queries, [keys][vectors] of vectors, whose first one stands
/// in `lane`.
template <int vectors, class State>
void add_biases(const AttentionTask<State>& task, int lane, float* scores) {
  float* const row = task.workspace;
  for_distances<vectors * lanes>(
      task, lane, [&](int column, int distance) { row[column] = task.bias.at(distance); },
      [&](int key, int column) {
        for (int v = 0; v < vectors; ++v) {
          float* const place = scores + (key * vectors + v) * lanes;
          store(place, load(place) + load(row + column + v * lanes));
        }
      });
}

/// Adds to the scores of a block of queries what comes of one of the tables of distances:
/// `factor(feature, key, v)` are a vector of numbers that a feature of it is multiplied with.
template <int vectors, class State, class Factor>
void add_rows(const AttentionTask<State>& task, const float* table, int lane, const Factor& factor,
              float* scores) {
  const std::size_t columns = distance_columns(task.key_count);
  float* const features = task.workspace;  // [head_size][columns]
  for_distances<vectors * lanes>(
      task, lane,
      [&](int column, int distance) {
        const float* const row = table + task.distances.at(distance) * task.distances.features;
        for (int d = 0; d < task.head_size; ++d) features[d * columns + column] = row[d];
      },
      [&](int key, int column) {
        Floats sums[vectors];
        for (int v = 0; v < vectors; ++v) sums[v] = load(scores + (key * vectors + v) * lanes);
        for (int d = 0; d < task.head_size; ++d)
          for (int v = 0; v < vectors; ++v)
            sums[v] += factor(d, key, v) * load(features + d * columns + column + v * lanes);
        for (int v = 0; v < vectors; ++v) store(scores + (key * vectors + v) * lanes, sums[v]);
      });
}

/// A number in all lanes.
inline Floats broadcast_state(const float* number) { return broadcast(*number); }
#if defined(__AVX512BF16__)
inline Floats broadcast_state(const bfloat16* number) {
  return reinterpret_cast<Floats>((Ints{} + number->bits) << 16);
}
#endif

/// Adds to the scores of a block of queries all that hangs on distances.
template <int vectors, class State>
void add_distances(const AttentionTask<State>& task, int lane, float* scores) {
  if (task.bias.values != nullptr) add_biases<vectors>(task, lane, scores);
  if (task.distances.keys != nullptr) {
    const State* const queries =
        task.queries + static_cast<std::size_t>(task.first_feature) * task.width + lane;
    const auto of_query = [&](int d, int, int v) {
      return load(queries + static_cast<std::size_t>(d) * task.width + v * lanes);
    };
    add_rows<vectors>(task, task.distances.keys, lane, of_query, scores);
  }
  if (task.distances.queries != nullptr) {
    const TokenRows<State> keys(task, task.keys);
    const auto of_key = [&](int d, int key, int) {
      const auto place = keys.at(key);
      return broadcast_state(place.row + d * place.stride);
    };
    add_rows<vectors>(task, task.distances.queries, lane, of_key, scores);
  }
}

/// Calls `attend(lane)` for blocks of two vectors of queries and, where one is left, of one:
/// `attend` takes the number of vectors as a template argument.
template <class State, class Attend>
inline void for_query_blocks(const AttentionTask<State>& task, const Attend& attend) {
  const int end = task.first_query + task.query_lanes;
  int lane = task.first_query;
  for (; lane + 2 * lanes <= end; lane += 2 * lanes) attend.template operator()<2>(lane);
  for (; lane < end; lane += lanes) attend.template operator()<1>(lane);
}

}  // namespace fineprune::FINEPRUNE_ISA
