#pragma once

#include "../kernels.hpp"
#include "../simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline Floats square_root(Floats x) {
  for (int lane = 0; lane < lanes; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
  return x;
}

/// The sum of `term(feature, vector)` over all features: as many sums in flight as it takes, be there
/// few vectors.
template <int vectors, class Term>
void sum_features(int features, const Term& term, Floats (&sums)[vectors]) {
  constexpr int ways = 4 / vectors;
  Floats parts[ways][vectors] = {};
  int f = 0;
  for (; f + ways <= features; f += ways)
    for (int way = 0; way < ways; ++way)
      for (int v = 0; v < vectors; ++v) parts[way][v] += term(f + way, v);
  for (; f < features; ++f)
    for (int v = 0; v < vectors; ++v) parts[0][v] += term(f, v);
  for (int v = 0; v < vectors; ++v) {
    sums[v] = parts[0][v];
    for (int way = 1; way < ways; ++way) sums[v] += parts[way][v];
  }
}

/// A block of `vectors` vectors of lanes. Two passes for mean and variance: the squares of a large mean
/// would drown a small variance in float32.
template <int vectors, class State>
void normalize_lanes(const NormalizeTask<State>& task, int lane) {
  const auto offset = [&](int feature, int v) {
    return static_cast<std::size_t>(feature) * task.width + lane + v * lanes;
  };
  const float count = static_cast<float>(task.features);

  Floats means[vectors];
  sum_features(task.features, [&](int f, int v) { return load(task.sums + offset(f, v)); }, means);
  for (Floats& mean : means) mean = mean / count;

  Floats factors[vectors];
  const auto square = [&](int f, int v) {
    const Floats distance = load(task.sums + offset(f, v)) - means[v];
    return distance * distance;
  };
  sum_features(task.features, square, factors);
  for (Floats& factor : factors) factor = 1.0f / square_root(factor / count + task.epsilon);

  for (int f = 0; f < task.features; ++f)
    for (int v = 0; v < vectors; ++v) {
      const Floats centred = load(task.sums + offset(f, v)) - means[v];
      const Floats result = centred * (factors[v] * task.weight[f]) + task.bias[f];
      store(task.wide + offset(f, v), result);
      if (task.narrow != nullptr) store(task.narrow + offset(f, v), result);
    }
}

/// LayerNorm down the features, each lane for itself.
template <class State>
void normalize(const NormalizeTask<State>& task) {
  int lane = 0;
  for (; lane + 4 * lanes <= task.width; lane += 4 * lanes) normalize_lanes<4>(task, lane);
  for (; lane + 2 * lanes <= task.width; lane += 2 * lanes) normalize_lanes<2>(task, lane);
  for (; lane < task.width; lane += lanes) normalize_lanes<1>(task, lane);
}

}  // namespace fineprune::FINEPRUNE_ISA
