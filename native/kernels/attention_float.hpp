#pragma once

#include "../elementary.hpp"
#include "attention.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// scores[key][queries] = K[:, key] . Q[:, queries], rounded up to whole blocks of keys: what
/// stands after the last key is never read again.
template <int vectors>
void multiply_keys(const AttentionTask<float>& task, const float* queries, float* scores) {
  const TokenRows<float> keys(task, task.keys);
  for (int key = 0; key < task.key_count; key += key_block) {
    const auto block = keys.at(key);
    Floats sums[key_block][vectors] = {};
    for (int d = 0; d < task.head_size; ++d) {
      const float* row = block.row + d * block.stride;
      const float* query = queries + static_cast<std::size_t>(d) * task.width;
      for (int k = 0; k < key_block; ++k)
        for (int v = 0; v < vectors; ++v) sums[k][v] += row[k] * load(query + v * lanes);
    }
    for (int k = 0; k < key_block; ++k)
      for (int v = 0; v < vectors; ++v)
        store(scores + ((key + k) * vectors + v) * lanes, sums[k][v]);
  }
}

/// Turns scores into exp(scale (score - largest)), and gives one over each query's sum of them.
template <int vectors>
void exponentiate(const AttentionTask<float>& task, float* scores, Floats (&normalizers)[vectors]) {
  const float scale = task.scale;
  Floats largest[vectors];
  find_largest(scores, task.key_count, largest);
  for (int v = 0; v < vectors; ++v) largest[v] *= scale;
  Floats sums[vectors] = {};
  for (int key = 0; key < task.key_count; ++key)
    for (int v = 0; v < vectors; ++v) {
      float* const place = scores + (key * vectors + v) * lanes;
      const Floats weight = exponential(load(place) * scale - largest[v]);
      store(place, weight);
      sums[v] += weight;
    }
  for (int v = 0; v < vectors; ++v) normalizers[v] = 1.0f / sums[v];
}

/// context[features][queries] = V[features, :] weights[:, queries], `features` rows from `d` on.
template <int features, int vectors>
void multiply_values(const AttentionTask<float>& task, const float* weights,
                     const Floats (&normalizers)[vectors], int d, float* context) {
  const TokenRows<float> values(task, task.values);
  Floats sums[features][vectors] = {};
  for (int key = 0; key < task.key_count;) {
    const auto block = values.at(key);
    const float* row = block.row + d * block.stride;
    for (int k = 0; k < block.run; ++k, ++key)
      for (int f = 0; f < features; ++f)
        for (int v = 0; v < vectors; ++v)
          sums[f][v] += row[f * block.stride + k] * load(weights + (key * vectors + v) * lanes);
  }
  for (int f = 0; f < features; ++f)
    for (int v = 0; v < vectors; ++v)
      store(context + static_cast<std::size_t>(d + f) * task.width + v * lanes,
            sums[f][v] * normalizers[v]);
}

inline void attention(const AttentionTask<float>& task) {
  float* const scores = task.workspace + distance_workspace(task.key_count, task.head_size,
                                                            task.distances.rows != nullptr);
  for_query_blocks(task, [&]<int vectors>(int lane) {
    const std::size_t offset = static_cast<std::size_t>(task.first_feature) * task.width + lane;
    multiply_keys<vectors>(task, task.queries + offset, scores);
    add_distances<vectors>(task, lane, scores);
    Floats normalizers[vectors];
    exponentiate(task, scores, normalizers);
    int d = 0;
    for (; d + feature_block <= task.head_size; d += feature_block)
      multiply_values<feature_block>(task, scores, normalizers, d, task.context + offset);
    for (; d < task.head_size; ++d)
      multiply_values<1>(task, scores, normalizers, d, task.context + offset);
  });
}

}  // namespace fineprune::FINEPRUNE_ISA
