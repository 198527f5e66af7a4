#pragma once

#include "../kernels.hpp"
#include "../simd_int8.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// Of each lane: the lowest and the highest number, and NaN once a number was none: comparisons may pass
/// over it.
template <int vectors>
struct Span {
  Floats low[vectors], high[vectors], spoiled[vectors] = {};

  void start(const Floats (&row)[vectors]) {
    for (int v = 0; v < vectors; ++v) low[v] = high[v] = row[v];
  }
  void add(const Floats (&row)[vectors]) {
    for (int v = 0; v < vectors; ++v) {
      low[v] = minimum(low[v], row[v]);
      high[v] = maximum(high[v], row[v]);
      spoiled[v] += row[v] * 0.0f;
    }
  }
  void add(const Span& other) {
    add(other.low);
    add(other.high);
    for (int v = 0; v < vectors; ++v) spoiled[v] += other.spoiled[v];
  }
};

/// A block of lanes, each for itself: what its numbers span becomes the codes 0 to 255.
template <int block, class Number>
void quantize_lanes(const QuantizeTask<Number>& task, int lane) {
  constexpr int vectors = block / lanes;
  constexpr int ways = vectors < 4 ? 4 / vectors : 1;  // chains of comparisons are long
  const auto load_row = [&](int feature) {
    const std::size_t place = static_cast<std::size_t>(feature) * task.width + lane;
    Numbers<block> row;
    for (int v = 0; v < vectors; ++v) row.vectors[v] = load(task.numbers + place + v * lanes);
    return row;
  };
  Span<vectors> spans[ways];
  for (Span<vectors>& span : spans) span.start(load_row(0).vectors);
  int feature = 0;
  for (; feature + ways <= task.features; feature += ways)
    for (int way = 0; way < ways; ++way) spans[way].add(load_row(feature + way).vectors);
  for (; feature < task.features; ++feature) spans[0].add(load_row(feature).vectors);
  for (int way = 1; way < ways; ++way) spans[0].add(spans[way]);

  const Span<vectors>& span = spans[0];
  Floats codes_of_one[vectors];
  for (int v = 0; v < vectors; ++v) {
    const Floats range = span.high[v] - span.low[v];
    // Of a lane whose numbers are all the same, all codes are 0.
    codes_of_one[v] = 255.0f / maximum(broadcast(1e-30f), range);
    store(task.steps + lane + v * lanes, range / 255.0f + span.spoiled[v]);
    store(task.lows + lane + v * lanes, span.low[v]);
  }
  for (int f = 0; f < task.features; ++f) {
    Numbers<block> row = load_row(f);
    for (int v = 0; v < vectors; ++v)
      row.vectors[v] = unfused((row.vectors[v] - span.low[v]) * codes_of_one[v]);
    store_codes<block>(task.codes + static_cast<std::size_t>(f) * task.width + lane, row);
  }
}

template <int width, class Number>
void quantize_tile(const QuantizeTask<Number>& task) {
  constexpr int block = width < most_code_lanes ? width : most_code_lanes;
  for (int lane = 0; lane < width; lane += block) quantize_lanes<block>(task, lane);
}

template <class Number>
void quantize(const QuantizeTask<Number>& task) {
  if (task.width == 64) quantize_tile<64>(task);
  if (task.width == 32) quantize_tile<32>(task);
  if (task.width == 16) quantize_tile<16>(task);
}

}  // namespace fineprune::FINEPRUNE_ISA
