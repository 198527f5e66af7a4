#include "matrix.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

#include "tiles.hpp"

namespace fineprune {
namespace {

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

std::size_t size_of(const Values& values) {
  return std::visit([](auto span) { return span.size(); }, values);
}

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
  const int width = tile_width(tokens);
  AlignedBuffer<Element> tile(static_cast<std::size_t>(columns()) * width);
  AlignedBuffer<float> product(static_cast<std::size_t>(rows()) * width);
  for (int first = 0; first < tokens; first += width) {
    const int count = std::min(width, tokens - first);
    for (int lane = 0; lane < count; ++lane)
      put_lane(&input[static_cast<std::size_t>(first + lane) * columns()], columns(), width, lane,
               tile.data());
    apply({0, rows()}, width, tile.data(), {.wide = product.data()});
    for (int lane = 0; lane < count; ++lane)
      get_lane(product.data(), rows(), width, lane,
               &output[static_cast<std::size_t>(first + lane) * rows()]);
  }
}

template <class Element>
double Linear<Element>::seconds(int tokens, int repeats) const {
  const int width = tile_width(tokens);
  const int tiles = round_up(tokens, width) / width;
  AlignedBuffer<Element> input(static_cast<std::size_t>(columns()) * width * tiles);
  AlignedBuffer<float> output(static_cast<std::size_t>(rows()) * width);
  std::vector<double> times;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int tile = 0; tile < tiles; ++tile)
      apply({0, rows()}, width, input.data() + static_cast<std::size_t>(tile) * columns() * width,
            {.wide = output.data()});
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    times.push_back(elapsed.count());
  }
  return median(times);
}

namespace {

class SparseLinear final : public Linear<float> {
 public:
  SparseLinear(const Kernels<float>& kernels, int rows, int columns,
               std::span<const std::int32_t> row_starts, ColumnIndices column_indices,
               Values values, std::span<const float> scales)
      : Linear(rows, columns, scales), kernels_(kernels) {
    const std::size_t kept = size_of(values);
    require(row_starts.size() == static_cast<std::size_t>(rows) + 1,
            "expected " + std::to_string(rows + 1) + " row pointers for " + std::to_string(rows) +
                " rows, got " + std::to_string(row_starts.size()));
    require(row_starts.front() == 0, "the first row pointer must be 0, got " +
                                         std::to_string(row_starts.front()));
    for (int row = 0; row < rows; ++row)
      require(row_starts[row] <= row_starts[row + 1],
              "row pointers must ascend, but row " + std::to_string(row) + " goes from " +
                  std::to_string(row_starts[row]) + " to " + std::to_string(row_starts[row + 1]));
    require(static_cast<std::size_t>(row_starts.back()) == kept,
            "the last row pointer must be the number of values, " + std::to_string(kept) +
                ", got " + std::to_string(row_starts.back()));
    require(columns <= 65536, "a sparse matrix has at most 65536 columns");
    row_starts_.assign(row_starts.begin(), row_starts.end());
    std::visit([&](auto span) { copy_columns(span, kept); }, column_indices);
    std::visit([&](auto span) { values_.assign(span.begin(), span.end()); }, values);
  }

  std::size_t kept() const override { return values_.size(); }
  bool is_sparse() const override { return true; }
  std::size_t bytes() const override {
    return row_starts_.size() * sizeof(row_starts_[0]) + columns_.size() * sizeof(columns_[0]) +
           values_.size() * sizeof(values_[0]) + scale_bytes();
  }

  RowRange share(int part, int parts) const override {
    return {first_row(part, parts), first_row(part + 1, parts)};
  }

  void apply(RowRange range, int width, const float* input,
             Epilogue<float> epilogue) const override {
    epilogue.scales = scales();
    kernels_.sparse_linear({row_starts_.data(), columns_.data(), values_.data()}, range, width,
                           input, epilogue);
  }

 private:
  template <class Index>
  void copy_columns(std::span<const Index> indices, std::size_t kept) {
    require(indices.size() == kept, "expected one column index a value, got " +
                                        std::to_string(indices.size()) + " for " +
                                        std::to_string(kept) + " values");
    columns_.reserve(kept);
    for (const Index index : indices) {
      require(std::uint64_t{index} < static_cast<std::uint64_t>(columns()),
              "column index " + std::to_string(index) + " is outside of " +
                  std::to_string(columns()) + " columns");
      columns_.push_back(static_cast<std::uint16_t>(index));
    }
  }

  int first_row(int part, int parts) const {
    const std::uint64_t target = std::uint64_t{row_starts_.back()} * part / parts;
    if (part == parts) return rows();
    const auto found = std::lower_bound(row_starts_.begin(), row_starts_.end() - 1, target);
    return static_cast<int>(found - row_starts_.begin());
  }

  const Kernels<float>& kernels_;
  std::vector<std::uint32_t> row_starts_;
  std::vector<std::uint16_t> columns_;
  std::vector<float> values_;
};

class DenseLinear final : public Linear<float> {
 public:
  DenseLinear(const Kernels<float>& kernels, int rows, int columns, Values values,
              std::span<const float> scales)
      : Linear(rows, columns, scales), kernels_(kernels), panels_(round_up(rows, kernels.panel_rows) * static_cast<std::size_t>(columns)) {
    const std::size_t size = static_cast<std::size_t>(rows) * columns;
    require(size_of(values) == size, "expected " + std::to_string(size) + " values, got " +
                                         std::to_string(size_of(values)));
    std::visit([&](auto span) { fill(span); }, values);
  }

  std::size_t kept() const override { return static_cast<std::size_t>(rows()) * columns(); }
  bool is_sparse() const override { return false; }
  std::size_t bytes() const override { return panels_.size() * sizeof(float) + scale_bytes(); }

  RowRange share(int part, int parts) const override {
    const int panels = round_up(rows(), kernels_.panel_rows) / kernels_.panel_rows;
    const auto first = [&](int p) {
      return std::min(rows(), panels * p / parts * kernels_.panel_rows);
    };
    return {first(part), first(part + 1)};
  }

  void apply(RowRange range, int width, const float* input,
             Epilogue<float> epilogue) const override {
    epilogue.scales = scales();
    kernels_.dense_linear({panels_.data(), rows(), columns()}, range, width, input, epilogue);
  }

 private:
  template <class Value>
  void fill(std::span<const Value> values) {
    const int height = kernels_.panel_rows;
    for (int row = 0; row < rows(); ++row) {
      float* panel = panels_.data() + static_cast<std::size_t>(row / height * height) * columns();
      for (int column = 0; column < columns(); ++column)
        panel[static_cast<std::size_t>(column) * height + row % height] =
            values[static_cast<std::size_t>(row) * columns() + column];
    }
  }

  const Kernels<float>& kernels_;
  AlignedBuffer<float> panels_;
};

}  // namespace

template <>
std::shared_ptr<const Linear<float>> make_sparse(const Kernels<float>& kernels, int rows,
                                                 int columns,
                                                 std::span<const std::int32_t> row_starts,
                                                 ColumnIndices column_indices, Values values,
                                                 std::span<const float> scales) {
  return std::make_shared<SparseLinear>(kernels, rows, columns, row_starts, column_indices, values,
                                        scales);
}

template <>
std::shared_ptr<const Linear<float>> make_dense(const Kernels<float>& kernels, int rows,
                                                int columns, Values values,
                                                std::span<const float> scales) {
  return std::make_shared<DenseLinear>(kernels, rows, columns, values, scales);
}

template class Linear<float>;

}  // namespace fineprune
