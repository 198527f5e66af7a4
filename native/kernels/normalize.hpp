#pragma once

#include "../kernels.hpp"
#include "../simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline Floats square_root(Floats x) {
  for (int lane = 0; lane < lanes; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
  return x;
}

/// A block of `vectors` vectors of lanes: as many sums in flight. Two passes for mean and variance:
/// the squares of a large mean would drown a small variance in float32.
template <int vectors, class State>
void normalize_lanes(const NormalizeTask<State>& task, int lane) {
  const auto offset = [&](int feature, int v) {
    return static_cast<std::size_t>(feature) * task.width + lane + v * lanes;
  };
  const float count = static_cast<float>(task.features);

  Floats sums[vectors] = {};
  for (int f = 0; f < task.features; ++f)
    for (int v = 0; v < vectors; ++v) sums[v] += load(task.sums + offset(f, v));
  Floats means[vectors];
  for (int v = 0; v < vectors; ++v) means[v] = sums[v] / count;

  Floats squares[vectors] = {};
  for (int f = 0; f < task.features; ++f)
    for (int v = 0; v < vectors; ++v) {
      const Floats distance = load(task.sums + offset(f, v)) - means[v];
      squares[v] += distance * distance;
    }
  Floats factors[vectors];
  for (int v = 0; v < vectors; ++v)
    factors[v] = 1.0f / square_root(squares[v] / count + task.epsilon);

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
