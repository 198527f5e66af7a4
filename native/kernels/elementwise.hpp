#pragma once
// What is done to numbers of a tile one by one.

#include "../kernels.hpp"
#include "../simd.hpp"
#if defined(__AVX512BF16__)
#include "../simd_bfloat16.hpp"
#endif

namespace fineprune::FINEPRUNE_ISA {

template <class State>
void multiply(const MultiplyTask<State>& task) {
  const std::size_t end = static_cast<std::size_t>(task.rows.end) * task.width;
  for (std::size_t i = static_cast<std::size_t>(task.rows.begin) * task.width; i < end; i += lanes)
    store(task.target + i, load(task.target + i) * load(task.source + i));
}

template <class State>
void rotate(const RotateTask<State>& task) {
  const std::size_t half = static_cast<std::size_t>(task.head_size) / 2 * task.width;
  for (int head = task.heads.begin; head < task.heads.end; ++head) {
    State* const first = task.target + head * 2 * half;
    State* const second = first + half;
    for (std::size_t i = 0; i < half; i += lanes) {
      const Floats cosine = load(task.angles + i), sine = load(task.angles + half + i);
      const Floats x = load(first + i), y = load(second + i);
      store(first + i, x * cosine - y * sine);
      store(second + i, y * cosine + x * sine);
    }
  }
}

}  // namespace fineprune::FINEPRUNE_ISA
