#include "normalize.hpp"

#include "../simd.hpp"

namespace fineprune::FINEPRUNE_ISA {
namespace {

inline Floats square_root(Floats x) {
  for (int lane = 0; lane < lanes; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
  return x;
}

/// One vector of lanes. Two passes for mean and variance: the squares of a large mean would drown
/// a small variance in float32.
template <class Element>
void normalize_lanes(const NormalizeTask<Element>& task, int lane) {
  const auto offset = [&](int feature) {
    return static_cast<std::size_t>(feature) * task.width + lane;
  };
  const float count = static_cast<float>(task.features);

  Floats sum = {};
  for (int f = 0; f < task.features; ++f) sum += load(task.sums + offset(f));
  const Floats mean = sum / count;
  Floats squares = {};
  for (int f = 0; f < task.features; ++f) {
    const Floats distance = load(task.sums + offset(f)) - mean;
    squares += distance * distance;
  }
  const Floats factor = 1.0f / square_root(squares / count + task.epsilon);
  for (int f = 0; f < task.features; ++f) {
    const Floats result =
        (load(task.sums + offset(f)) - mean) * (factor * task.weight[f]) + task.bias[f];
    store(task.wide + offset(f), result);
    if (task.narrow != nullptr) store(task.narrow + offset(f), result);
  }
}

}  // namespace

template <class Element>
void normalize(const NormalizeTask<Element>& task) {
  for (int lane = 0; lane < task.width; lane += lanes) normalize_lanes(task, lane);
}

template void normalize(const NormalizeTask<float>&);

}  // namespace fineprune::FINEPRUNE_ISA
