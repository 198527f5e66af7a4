#pragma once
// The same in bfloat16: features of queries and keys, and keys of weights and values, are taken in
// pairs. Softmax is done in float32.

#include "../elementary.hpp"
#include "../simd_bfloat16.hpp"
#include "attention.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline void store_pairs(float* target, Pairs pairs) { _mm512_storeu_si512(target, pairs); }
inline Pairs load_pairs(const float* source) { return _mm512_loadu_si512(source); }

/// Pairs of features `2 * index` and `2 * index + 1` of 16 lanes; after the last one come zeros.
inline Pairs pair_features(const bfloat16* rows, std::size_t stride, int index, int head_size) {
  static constexpr bfloat16 zeros[lanes] = {};
  const bfloat16* first = rows + 2 * index * stride;
  return pair_lanes(first, 2 * index + 1 < head_size ? first + stride : zeros);
}

/// Lays a head's keys out as [block of 16 keys][pair of features][16 keys].
inline void pack_keys(const AttentionTask<bfloat16>& task, float* packed) {
  const TokenRows<bfloat16> keys(task, task.keys);
  const int pairs = (task.head_size + 1) / 2;
  for (int key = 0; key < task.key_count; key += lanes) {
    const auto block = keys.at(key);
    for (int p = 0; p < pairs; ++p, packed += lanes)
      store_pairs(packed, pair_features(block.row, block.stride, p, task.head_size));
  }
}

/// Lays a block of queries out as [pair of features][vectors].
template <int vectors>
void pack_queries(const AttentionTask<bfloat16>& task, const bfloat16* queries, float* packed) {
  const int pairs = (task.head_size + 1) / 2;
  for (int p = 0; p < pairs; ++p)
    for (int v = 0; v < vectors; ++v, packed += lanes)
      store_pairs(packed, pair_features(queries + v * lanes, task.width, p, task.head_size));
}

/// scores[key][queries], rounded up to whole blocks of keys.
template <int vectors>
void multiply_keys(const AttentionTask<bfloat16>& task, const float* queries, const float* keys,
                   float* scores) {
  const int pairs = (task.head_size + 1) / 2;
  for (int key = 0; key < task.key_count; key += key_block) {
    const float* block = keys + (key / lanes * pairs) * lanes + key % lanes;
    Floats sums[key_block][vectors] = {};
    for (int p = 0; p < pairs; ++p)
      for (int k = 0; k < key_block; ++k) {
        const Pairs pair = broadcast_pair(block + p * lanes + k);
        for (int v = 0; v < vectors; ++v)
          sums[k][v] =
              add_products(sums[k][v], load_pairs(queries + (p * vectors + v) * lanes), pair);
      }
    for (int k = 0; k < key_block; ++k)
      for (int v = 0; v < vectors; ++v)
        store(scores + ((key + k) * vectors + v) * lanes, sums[k][v]);
  }
}

/// Two vectors of numbers from 0 to 1, rounded to bfloat16, as pairs. Others give anything.
inline Pairs round_to_pairs(Floats first, Floats second) {
  using Bits = std::uint32_t __attribute__((vector_size(vector_bytes)));
  const Bits half = Bits{} + 0x8000u;
  const Bits low = (reinterpret_cast<Bits>(first) + half) >> 16;
  const Bits high = (reinterpret_cast<Bits>(second) + half) & 0xffff0000u;
  return reinterpret_cast<Pairs>(low | high);
}

/// Turns scores into weights exp(scale (score - largest)), [pair of keys][queries], in place; gives
/// one over each query's sum of them.
template <int vectors>
void exponentiate(const AttentionTask<bfloat16>& task, float* scores,
                  Floats (&normalizers)[vectors]) {
  constexpr float log2_e = 1.442695041f;
  const float scale = log2_e * task.scale;
  Floats largest[vectors];
  find_largest(scores, task.key_count, largest);
  for (int v = 0; v < vectors; ++v) largest[v] *= scale;
  Floats sums[vectors] = {};
  for (int key = 0; key < task.key_count; key += 2)
    for (int v = 0; v < vectors; ++v) {
      const float* place = scores + (key * vectors + v) * lanes;
      const Floats first = coarse_power_of_two(load(place) * scale - largest[v]);
      Floats second = {};
      if (key + 1 < task.key_count)
        second = coarse_power_of_two(load(place + vectors * lanes) * scale - largest[v]);
      sums[v] += first + second;
      store_pairs(scores + (key / 2 * vectors + v) * lanes, round_to_pairs(first, second));
    }
  for (int v = 0; v < vectors; ++v) normalizers[v] = 1.0f / sums[v];
}

/// context[features][queries], for `features` rows from `d` on.
template <int features, int vectors>
void multiply_values(const AttentionTask<bfloat16>& task, const float* weights,
                     const Floats (&normalizers)[vectors], int d, bfloat16* context) {
  const TokenRows<bfloat16> values(task, task.values);
  Floats sums[features][vectors] = {};
  for (int key = 0; key < task.key_count;) {
    const auto block = values.at(key);
    const bfloat16* row = block.row + d * block.stride;
    const auto add = [&](int f, Pairs values_of_keys) {
      for (int v = 0; v < vectors; ++v)
        sums[f][v] = add_products(sums[f][v], load_pairs(weights + v * lanes), values_of_keys);
    };
    int k = 0;
    for (; k + 1 < block.run; k += 2, weights += vectors * lanes)
      for (int f = 0; f < features; ++f) add(f, broadcast_pair(row + f * block.stride + k));
    if (k < block.run)  // an odd last key: after it stands a lane without a token, be it NaN
      for (int f = 0; f < features; ++f) add(f, broadcast_first(row + f * block.stride + k));
    key += block.run;
  }
  for (int f = 0; f < features; ++f)
    for (int v = 0; v < vectors; ++v)
      store(context + static_cast<std::size_t>(d + f) * task.width + v * lanes,
            sums[f][v] * normalizers[v]);
}

inline void attention(const AttentionTask<bfloat16>& task) {
  const std::size_t rounded_keys = (task.key_count + lanes - 1) / lanes * lanes;
  const int pairs = (task.head_size + 1) / 2;
  float* const keys = task.workspace + distance_workspace(task.key_count, task.head_size,
                                                          task.distances.rows != nullptr);
  float* const queries = keys + rounded_keys * pairs;
  float* const scores = queries + 2 * lanes * pairs;
  pack_keys(task, keys);
  for_query_blocks(task, [&]<int vectors>(int lane) {
    const std::size_t offset = static_cast<std::size_t>(task.first_feature) * task.width + lane;
    pack_queries<vectors>(task, task.queries + offset, queries);
    multiply_keys<vectors>(task, queries, keys, scores);
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
