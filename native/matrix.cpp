#include "matrix.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>

#include "aligned_buffer.hpp"
#include "require.hpp"
#include "tiles.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <time.h>
#endif

namespace fineprune {
namespace {

/// Seconds that this thread has had a CPU, where the system counts them: what others take of it in
/// between is no part of a measurement.
double seconds_of_thread() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0)
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
#endif
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace

Matrix::Matrix(int rows, int columns, std::span<const float> scales)
    : rows_(rows), columns_(columns), scales_(scales.begin(), scales.end()) {
  require(rows > 0 && columns > 0, "a matrix has at least one row and one column, got shape (" +
                                       std::to_string(rows) + ", " + std::to_string(columns) + ")");
  require(scales.empty() || scales.size() == static_cast<std::size_t>(rows),
          "expected one scale a row, got " + std::to_string(scales.size()) + " for " +
              std::to_string(rows) + " rows");
}

template <class Element>
void Linear<Element>::multiply(std::span<const float> input, int tokens,
                               std::span<float> output) const {
  const int widest = tile_width(tokens);
  // Kept by each thread: to ask the system for them takes as long as a small multiplication.
  thread_local AlignedBuffer<Element> tile;
  thread_local AlignedBuffer<float> product;
  tile.reserve(static_cast<std::size_t>(columns()) * widest);
  product.reserve(static_cast<std::size_t>(rows()) * widest);
  for (int first = 0; first < tokens; first += widest) {
    const int width = tile_width(tokens - first);
    const int count = std::min(width, tokens - first);
    for (int lane = 0; lane < count; ++lane)
      put_lane(&input[static_cast<std::size_t>(first + lane) * columns()], columns(), width, lane,
               tile.data());
    apply({0, rows()}, width, tile.data(), {.partial = product.data(), .wide = product.data()});
    for (int lane = 0; lane < count; ++lane)
      get_lane(product.data(), rows(), width, lane,
               &output[static_cast<std::size_t>(first + lane) * rows()]);
  }
}

template <class Element>
double Linear<Element>::seconds(int tokens, int repeats) const {
  const int widest = tile_width(tokens);
  const int tiles = round_up(tokens, widest) / widest;
  const std::size_t tile_size = static_cast<std::size_t>(columns()) * widest;
  const AlignedBuffer<Element> input(tile_size * tiles);
  const AlignedBuffer<float> output(static_cast<std::size_t>(rows()) * widest);
  for (std::size_t i = 0; i < input.size(); ++i) put(0.5f, input.data()[i]);
  double least = std::numeric_limits<double>::infinity();
  for (int repeat = -1; repeat < repeats; ++repeat) {
    const double start = seconds_of_thread();
    for (int tile = 0; tile < tiles; ++tile)
      apply({0, rows()}, tile_width(tokens - tile * widest), input.data() + tile * tile_size,
            {.partial = output.data(), .wide = output.data()});
    const double elapsed = seconds_of_thread() - start;
    if (repeat >= 0) least = std::min(least, elapsed);
  }
  return least;
}

template class Linear<float>;
template class Linear<bfloat16>;

}  // namespace fineprune
