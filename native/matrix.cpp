#include "matrix.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "aligned_buffer.hpp"
#include "code_tiles.hpp"
#include "require.hpp"
#include "stopwatch.hpp"
#include "tiles.hpp"

namespace fineprune {
void check_shape(int rows, int columns, std::span<const float> scales) {
  require(rows > 0 && columns > 0, "a matrix has at least one row and one column, got shape (" +
                                       std::to_string(rows) + ", " + std::to_string(columns) + ")");
  require(scales.empty() || scales.size() == static_cast<std::size_t>(rows),
          "expected one scale a row, got " + std::to_string(scales.size()) + " for " +
              std::to_string(rows) + " rows");
}

Matrix::Matrix(int rows, int columns, std::span<const float> scales)
    : rows_(rows), columns_(columns), scales_(scales.begin(), scales.end()) {}

namespace {

/// Tokens in a tile, in the form that linears read.
template <class Arithmetic>
class MultiplierInput {
 public:
  void reserve(int columns, int width) {
    state_.reserve(static_cast<std::size_t>(columns) * width);
  }

  InputTile<Arithmetic> fill(const Kernels<Arithmetic>&, const float* rows, int tokens, int columns,
                             int width) {
    for (int lane = 0; lane < tokens; ++lane)
      put_lane(rows + static_cast<std::size_t>(lane) * columns, columns, width, lane, state_.data());
    return {state_.data()};
  }

 private:
  AlignedBuffer<typename Arithmetic::State> state_;
};

template <class State>
class MultiplierInput<Int8<State>> {
 public:
  void reserve(int columns, int width) {
    numbers_.reserve(static_cast<std::size_t>(columns) * width);
    codes_.reserve(1, static_cast<std::size_t>(columns));
  }

  InputTile<Int8<State>> fill(const Kernels<Int8<State>>& kernels, const float* rows, int tokens,
                              int columns, int width) {
    for (int lane = 0; lane < tokens; ++lane)
      put_lane(rows + static_cast<std::size_t>(lane) * columns, columns, width, lane,
               numbers_.data());
    kernels.own.quantize_floats(codes_.task(0, numbers_.data(), columns, width));
    return codes_.input<State>(0, nullptr);
  }

 private:
  AlignedBuffer<float> numbers_;
  CodeTiles codes_;
};

}  // namespace

template <class Arithmetic>
void Linear<Arithmetic>::multiply(std::span<const float> input, int tokens,
                                  std::span<float> output) const {
  constexpr int few = 4;  // more of them are quicker in a tile
  int done = 0;
  while (tokens <= few && done < tokens &&
         multiply_token(&input[static_cast<std::size_t>(done) * columns()],
                        &output[static_cast<std::size_t>(done) * rows()]))
    ++done;
  if (done == tokens) return;
  const int widest = tile_width(tokens);
  // Kept by each thread: to ask the system for them takes as long as a small multiplication.
  thread_local MultiplierInput<Arithmetic> tile;
  thread_local AlignedBuffer<float> product;
  tile.reserve(columns(), widest);
  product.reserve(static_cast<std::size_t>(rows()) * widest);
  for (int first = 0; first < tokens; first += widest) {
    const int width = tile_width(tokens - first);
    const int count = std::min(width, tokens - first);
    apply({0, rows()}, width,
          tile.fill(kernels_, &input[static_cast<std::size_t>(first) * columns()], count, columns(),
                    width),
          {.partial = product.data(), .wide = product.data()});
    for (int lane = 0; lane < count; ++lane)
      get_lane(product.data(), rows(), width, lane,
               &output[static_cast<std::size_t>(first + lane) * rows()]);
  }
}

template <class Arithmetic>
double Linear<Arithmetic>::seconds(int tokens, int repeats) const {
  const int widest = tile_width(tokens);
  const int tiles = round_up(tokens, widest) / widest;
  std::vector<float> numbers(static_cast<std::size_t>(columns()) * widest, 0.5f);
  std::vector<MultiplierInput<Arithmetic>> inputs(tiles);
  std::vector<InputTile<Arithmetic>> filled;
  for (auto& input : inputs) {
    input.reserve(columns(), widest);
    filled.push_back(input.fill(kernels_, numbers.data(), widest, columns(), widest));
  }
  const AlignedBuffer<float> output(static_cast<std::size_t>(rows()) * widest);
  double least = std::numeric_limits<double>::infinity();
  for (int repeat = -1; repeat < repeats; ++repeat) {
    const double start = seconds_of_thread();
    for (int tile = 0; tile < tiles; ++tile)
      apply({0, rows()}, tile_width(tokens - tile * widest), filled[tile],
            {.partial = output.data(), .wide = output.data()});
    const double elapsed = seconds_of_thread() - start;
    if (repeat >= 0) least = std::min(least, elapsed);
  }
  return least;
}

template class Linear<Float32>;
template class Linear<Bfloat16>;
template class Linear<Int8<float>>;
template class Linear<Int8<bfloat16>>;

}  // namespace fineprune
