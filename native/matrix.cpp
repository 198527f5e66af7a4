#include "matrix.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "aligned_buffer.hpp"
#include "require.hpp"
#include "tiles.hpp"

namespace fineprune {
namespace {

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
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
  AlignedBuffer<Element> tile(static_cast<std::size_t>(columns()) * widest);
  AlignedBuffer<float> product(static_cast<std::size_t>(rows()) * widest);
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
  std::vector<double> times;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int tile = 0; tile < tiles; ++tile)
      apply({0, rows()}, tile_width(tokens - tile * widest), input.data() + tile * tile_size,
            {.partial = output.data(), .wide = output.data()});
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    times.push_back(elapsed.count());
  }
  return median(std::move(times));
}

template class Linear<float>;
template class Linear<bfloat16>;

}  // namespace fineprune
