#pragma once
// Attention of a block of queries, one lane a query: a key's scores stand side by side, so that the
// softmax runs down the lanes and needs no horizontal reduction, and nothing is transposed.

#include "../kernels.hpp"
#include "../simd.hpp"

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

/// Adds biases to the scores of a block of queries, [keys][vectors] of vectors, whose first one stands
/// in `lane`. Neighbouring lanes are neighbouring distances: so a key's biases stand one behind the
/// other in a row that all keys share, unless tokens are missing between those that are there.
template <int vectors, class State>
void add_biases(const AttentionTask<State>& task, int lane, float* scores) {
  constexpr int queries = vectors * lanes;
  const int keys = task.key_count;
  const int first = task.query_token + lane - task.first_query;
  float* const row = task.workspace;
  if (task.places == nullptr)
    for (int i = 0; i < keys - 1 + queries; ++i) row[i] = task.bias.at(first + i - (keys - 1));
  for (int key = 0; key < keys; ++key) {
    const float* biases = row + (keys - 1 - key);
    if (task.places != nullptr) {
      for (int i = 0; i < queries; ++i) {
        const int query = first + i < keys ? first + i : keys - 1;  // lanes without a token: any
        row[i] = task.bias.at(task.places[query] - task.places[key]);
      }
      biases = row;
    }
    for (int v = 0; v < vectors; ++v) {
      float* const place = scores + (key * vectors + v) * lanes;
      store(place, load(place) + load(biases + v * lanes));
    }
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
