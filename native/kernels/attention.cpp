// Attention of a block of queries of one head, one lane a query: scores stand with their key, so
// that the softmax runs down the lanes and needs no horizontal reduction and no transpose.

#include "attention.hpp"

#include "../elementary.hpp"

namespace fineprune::FINEPRUNE_ISA {
namespace {

// A block of keys never crosses a tile: sequences and tiles start at multiples of 16.
constexpr int key_block = vector_registers == 32 ? 8 : 4;
constexpr int feature_block = key_block;
static_assert(lane_multiple % key_block == 0);

struct Cursor {
  const float* tiles;
  std::size_t tile_stride;
  int width;
  int first;

  /// Where feature 0 of the sequence's token `index` stands.
  const float* at(int index) const {
    const int lane = first + index;
    return tiles + lane / width * tile_stride + lane % width;
  }
};

/// scores[key][queries] = K[:, key] . Q[:, queries], rounded up to whole blocks of keys: what
/// stands after the last key is never read again.
template <int vectors>
void multiply_keys(const AttentionTask<float>& task, const float* queries) {
  const Cursor keys{task.keys, task.tile_stride, task.width, task.first_key};
  for (int key = 0; key < task.key_count; key += key_block) {
    const float* block = keys.at(key);
    Floats sums[key_block][vectors] = {};
    for (int d = 0; d < task.head_size; ++d) {
      const std::size_t row = static_cast<std::size_t>(d) * task.width;
      for (int k = 0; k < key_block; ++k)
        for (int v = 0; v < vectors; ++v)
          sums[k][v] += block[row + k] * load(queries + row + v * lanes);
    }
    for (int k = 0; k < key_block; ++k)
      for (int v = 0; v < vectors; ++v)
        store(task.scores + (static_cast<std::size_t>(key + k) * vectors + v) * lanes, sums[k][v]);
  }
}

/// Turns one vector of queries' scores into exp(scale (score - largest)); returns one over the sum.
template <int vectors>
Floats exponentiate(const AttentionTask<float>& task, int v) {
  float* const column = task.scores + static_cast<std::size_t>(v) * lanes;
  constexpr std::size_t step = static_cast<std::size_t>(vectors) * lanes;
  Floats largest = load(column);
  for (int key = 1; key < task.key_count; ++key)
    largest = maximum(largest, load(column + key * step));
  Floats sum = {};
  for (int key = 0; key < task.key_count; ++key) {
    const Floats weight = exponential((load(column + key * step) - largest) * task.scale);
    store(column + key * step, weight);
    sum += weight;
  }
  return 1.0f / sum;
}

/// context[features][queries] = V[features, :] weights[:, queries], for `features` rows from `d` on.
template <int vectors, int features>
void multiply_values(const AttentionTask<float>& task, const Floats* normalizers, int d,
                     float* context) {
  const Cursor values{task.values, task.tile_stride, task.width, task.first_key};
  const std::size_t first_row = static_cast<std::size_t>(d) * task.width;
  Floats sums[features][vectors] = {};
  for (int key = 0; key < task.key_count;) {
    const float* block = values.at(key) + first_row;
    int end = key + task.width - (task.first_key + key) % task.width;  // of this tile
    if (end > task.key_count) end = task.key_count;
    for (; key < end; ++key, ++block) {
      const float* weights = task.scores + static_cast<std::size_t>(key) * vectors * lanes;
      for (int f = 0; f < features; ++f)
        for (int v = 0; v < vectors; ++v)
          sums[f][v] += block[static_cast<std::size_t>(f) * task.width] * load(weights + v * lanes);
    }
  }
  for (int f = 0; f < features; ++f)
    for (int v = 0; v < vectors; ++v)
      store(context + first_row + static_cast<std::size_t>(f) * task.width + v * lanes,
            sums[f][v] * normalizers[v]);
}

template <int vectors>
void attend(const AttentionTask<float>& task, int lane) {
  multiply_keys<vectors>(task, task.queries + lane);
  Floats normalizers[vectors];
  for (int v = 0; v < vectors; ++v) normalizers[v] = exponentiate<vectors>(task, v);
  int d = 0;
  for (; d + feature_block <= task.head_size; d += feature_block)
    multiply_values<vectors, feature_block>(task, normalizers, d, task.context + lane);
  for (; d < task.head_size; ++d)
    multiply_values<vectors, 1>(task, normalizers, d, task.context + lane);
}

}  // namespace

void attention(const AttentionTask<float>& task) {
  int lane = 0;
  for (; lane + 2 * lanes <= task.query_lanes; lane += 2 * lanes) attend<2>(task, lane);
  for (; lane < task.query_lanes; lane += lanes) attend<1>(task, lane);
}

}  // namespace fineprune::FINEPRUNE_ISA
