#pragma once

#include "../kernels.hpp"
#include "../simd_int8.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// A block of lanes, each for itself: what its numbers span becomes the codes 0 to 255.
template <int block, class Number>
void quantize_lanes(const QuantizeTask<Number>& task) {
  constexpr int vectors = block / lanes;
  const auto load_row = [&](int feature) {
    Numbers<block> row;
    for (int v = 0; v < vectors; ++v)
      row.vectors[v] = load(task.numbers + static_cast<std::size_t>(feature) * block + v * lanes);
    return row;
  };
  Numbers<block> low = load_row(0), high = low;
  Floats spoiled[vectors] = {};  // NaN once a number was none: comparisons may pass over it
  for (int f = 0; f < task.features; ++f) {
    const Numbers<block> row = load_row(f);
    for (int v = 0; v < vectors; ++v) {
      low.vectors[v] = minimum(low.vectors[v], row.vectors[v]);
      high.vectors[v] = maximum(high.vectors[v], row.vectors[v]);
      spoiled[v] += row.vectors[v] * 0.0f;
    }
  }
  Floats codes_of_one[vectors];
  for (int v = 0; v < vectors; ++v) {
    const Floats range = high.vectors[v] - low.vectors[v];
    // Of a lane whose numbers are all the same, all codes are 0.
    codes_of_one[v] = 255.0f / maximum(broadcast(1e-30f), range);
    store(task.steps + v * lanes, range / 255.0f + spoiled[v]);
    store(task.lows + v * lanes, low.vectors[v]);
  }
  for (int f = 0; f < task.features; ++f) {
    Numbers<block> row = load_row(f);
    for (int v = 0; v < vectors; ++v)
      row.vectors[v] = unfused((row.vectors[v] - low.vectors[v]) * codes_of_one[v]);
    store_codes<block>(task.codes + static_cast<std::size_t>(f) * block, row);
  }
}

template <class Number>
void quantize(const QuantizeTask<Number>& task) {
  if (task.width == 64) quantize_lanes<64>(task);
  if (task.width == 32) quantize_lanes<32>(task);
  if (task.width == 16) quantize_lanes<16>(task);
}

}  // namespace fineprune::FINEPRUNE_ISA
