#include "int8_state.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "stopwatch.hpp"
#include "tiles.hpp"

namespace fineprune {
namespace {

/// Least seconds of one head's attention, of 64 tokens to two tiles of them.
template <class State>
double seconds_of_attention(void (*attention)(const AttentionTask<State>&)) {
  constexpr int head_size = 64, keys = 2 * largest_width, repeats = 8;
  constexpr std::size_t stride = static_cast<std::size_t>(head_size) * largest_width;
  std::vector<State> numbers(2 * stride), context(stride);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    put(0.01f * static_cast<float>(i % 19), numbers[i]);
  std::vector<float> workspace(attention_workspace(keys, head_size));
  double least = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const double start = seconds_of_thread();
    attention({.queries = numbers.data(),
               .context = context.data(),
               .width = largest_width,
               .first_query = 0,
               .query_lanes = largest_width,
               .query_token = 0,
               .keys = numbers.data(),
               .values = numbers.data(),
               .tile_stride = stride,
               .last_tile = 1,
               .last_width = largest_width,
               .first_key = 0,
               .key_count = keys,
               .first_feature = 0,
               .head_size = head_size,
               .scale = 0.125f,
               .workspace = workspace.data()});
    least = std::min(least, seconds_of_thread() - start);
  }
  return least;
}

}  // namespace

bool computes_int8_in_bfloat16(const InstructionSet& set) {
  constexpr double clear_gain = 0.85;  // of the time: for less, float32 is the more exact one
  if (set.int8_bfloat16_kernels == nullptr) return false;
  static const bool faster = seconds_of_attention(set.int8_bfloat16_kernels->attention) <
                             clear_gain * seconds_of_attention(set.int8_kernels->attention);
  return faster;
}

}  // namespace fineprune
