#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "matrix.hpp"
#include "require.hpp"
#include "weight_groups.hpp"

namespace fineprune {
namespace {

void check_rows(std::span<const std::int32_t> pointers, int rows, std::size_t kept) {
  require(pointers.size() == static_cast<std::size_t>(rows) + 1,
          "expected " + std::to_string(std::int64_t{rows} + 1) + " row pointers, got " +
              std::to_string(pointers.size()));
  require(pointers.front() == 0,
          "the first row pointer must be 0, got " + std::to_string(pointers.front()));
  for (int row = 0; row < rows; ++row)
    if (pointers[row] > pointers[row + 1])
      refuse("row pointers must not descend: row " + std::to_string(row) + " goes from " +
             std::to_string(pointers[row]) + " to " + std::to_string(pointers[row + 1]));
  require(static_cast<std::size_t>(pointers.back()) == kept,
          "the last row pointer must be the number of values, " + std::to_string(kept) + ", got " +
              std::to_string(pointers.back()));
}

void check_columns(const ColumnIndices& indices, int columns, std::size_t kept) {
  std::visit(
      [&](auto span) {
        require(span.size() == kept, "expected " + std::to_string(kept) +
                                         " column indices, one a value, got " +
                                         std::to_string(span.size()));
        for (const std::uint32_t index : span)
          if (index >= static_cast<std::uint32_t>(columns))
            refuse("column index " + std::to_string(index) + " is outside of " +
                   std::to_string(columns) + " columns");
      },
      indices);
}

/// A column may stand twice in a row. For sums that must not overflow, rows are no longer than they are
/// wide.
void check_repeats(std::span<const std::int32_t> pointers, int columns) {
  for (std::size_t row = 0; row + 1 < pointers.size(); ++row)
    if (pointers[row + 1] - pointers[row] > columns)
      refuse("row " + std::to_string(row) + " keeps " +
             std::to_string(pointers[row + 1] - pointers[row]) + " weights of " +
             std::to_string(columns) + " columns");
}

/// Columns of a block, all blocks being about equally wide. A row should find enough non-zeros in it
/// to pay for loading and storing its sums; beyond that, the smaller the block, the more of its
/// activations stay in the first level of cache. In bfloat16 they take half the space, and as codes of
/// 8 bits a quarter. Measured on 768 x 768 and 768 x 3072 at 2 to 20%.
template <class Arithmetic>
int choose_block_columns(int rows, int columns, std::size_t kept) {
  static_assert(768 + 768 / 2 <= most_block_columns);
  constexpr double kept_of_a_row =
      std::is_same_v<Arithmetic, Float32> ? 15 : std::is_same_v<Arithmetic, Bfloat16> ? 48 : 768;
  const double density =
      static_cast<double>(kept) / (static_cast<double>(rows) * static_cast<double>(columns));
  const double wanted = std::clamp(kept_of_a_row / density, 128.0, 768.0);
  const int blocks = std::max(1, static_cast<int>(columns / wanted + 0.5));
  return (columns + blocks - 1) / blocks;
}

struct Entry {
  std::uint32_t column;
  float value;
};

/// A row's codes in pairs that kernels may multiply with any two codes of activations and add up in 16
/// bits with a sign: 255 (a + b) fits as long as neither positive nor negative weights of a pair sum
/// to more than 128. So a positive weight goes with a negative one, the largest with the largest; those
/// that are left over, all of one sign, the largest with the smallest; and one that fits with none, with
/// a zero.
std::vector<Entry> in_pairs_that_fit(std::span<const Entry> row) {
  constexpr float most = 128.0f;
  std::vector<Entry> positive, negative, pairs;
  for (const Entry& entry : row) (entry.value > 0.0f ? positive : negative).push_back(entry);
  const auto by_size = [](const Entry& a, const Entry& b) {
    return std::abs(a.value) > std::abs(b.value);
  };
  std::stable_sort(positive.begin(), positive.end(), by_size);
  std::stable_sort(negative.begin(), negative.end(), by_size);
  const std::size_t mixed = std::min(positive.size(), negative.size());
  for (std::size_t i = 0; i < mixed; ++i) {
    pairs.push_back(positive[i]);
    pairs.push_back(negative[i]);
  }
  const std::vector<Entry>& longer = positive.size() > mixed ? positive : negative;
  for (std::size_t large = mixed, end = longer.size(); large < end; ++large) {
    pairs.push_back(longer[large]);
    const bool fits = large + 1 < end &&
                      std::abs(longer[large].value) + std::abs(longer[end - 1].value) <= most;
    pairs.push_back(fits ? longer[--end] : Entry{longer[large].column, 0.0f});
  }
  return pairs;
}

/// The non-zeros, row by row, in the order of their columns.
std::vector<Entry> sorted_entries(std::span<const std::int32_t> pointers,
                                  const ColumnIndices& column_indices, const Values& values) {
  std::vector<Entry> entries(size_of(values));
  std::visit(
      [&](auto columns, auto numbers) {
        for (std::size_t i = 0; i < entries.size(); ++i)
          entries[i] = {columns[i], static_cast<float>(numbers[i])};
      },
      column_indices, values);
  const auto by_column = [](const Entry& a, const Entry& b) { return a.column < b.column; };
  for (std::size_t row = 0; row + 1 < pointers.size(); ++row) {
    const auto begin = entries.begin() + pointers[row];
    const auto end = entries.begin() + pointers[row + 1];
    if (!std::is_sorted(begin, end, by_column)) std::sort(begin, end, by_column);
  }
  return entries;
}

template <class Arithmetic>
class SparseMatrix final : public Linear<Arithmetic> {
 public:
  SparseMatrix(const Kernels<Arithmetic>& kernels, int rows, int columns,
               std::span<const std::int32_t> row_pointers, const ColumnIndices& column_indices,
               const Values& values, std::span<const float> scales,
               std::vector<float> code_sums = {})
      : Linear<Arithmetic>(kernels, rows, columns, scales),
        code_sums_(std::move(code_sums)),
        kept_(size_of(values)) {
    block_columns_ = choose_block_columns<Arithmetic>(rows, columns, kept_);
    blocks_ = (columns + block_columns_ - 1) / block_columns_;
    build(row_pointers, sorted_entries(row_pointers, column_indices, values));
  }

  std::size_t kept() const override { return kept_; }
  bool is_sparse() const override { return true; }
  std::size_t bytes() const override {
    return sizeof(std::uint32_t) * (rows_in_order_.size() + starts_.size() + panel_costs_.size()) +
           sizeof(std::uint16_t) * offsets_.size() + sizeof(Group) * groups_.size() +
           sizeof(float) * code_sums_.size() + this->scale_bytes();
  }

  RowRange share(int part, int parts) const override {
    return {first_row(part, parts), first_row(part + 1, parts)};
  }

  void apply(RowRange range, int width, const InputTile<Arithmetic>& input,
             Epilogue<typename Arithmetic::State> epilogue) const override {
    epilogue.scales = this->scales();
    epilogue.code_sums = code_sums_.data();
    this->kernels_.sparse_linear({this->rows(), blocks_, block_columns_, rows_in_order_.data(),
                            starts_.data(), offsets_.data(), groups_.data()},
                           range, width, input, epilogue);
  }

 private:
  using Group = typename Arithmetic::Group;
  static constexpr int group_size = Arithmetic::group_size;

  void build(std::span<const std::int32_t> pointers, const std::vector<Entry>& entries) {
    const auto rows = static_cast<std::size_t>(this->rows());
    rows_in_order_.reserve(blocks_ * rows);
    starts_.reserve(blocks_ * rows + 1);
    offsets_.reserve(kept_ + blocks_ * rows * (group_size - 1));
    groups_.reserve(kept_ / group_size + blocks_ * rows * (group_size - 1));
    // Of each row, the first entry that no block has yet.
    std::vector<std::int32_t> next(pointers.begin(), pointers.end() - 1);
    for (int block = 0; block < blocks_; ++block)
      next = add_block(block, entries, next, pointers.subspan(1));
    starts_.push_back(static_cast<std::uint32_t>(groups_.size()));
    sum_costs();
  }

  /// Adds a block whose rows begin at entries `begins`; returns where they end.
  std::vector<std::int32_t> add_block(int block, std::span<const Entry> entries,
                                      const std::vector<std::int32_t>& begins,
                                      std::span<const std::int32_t> row_ends) {
    const auto first = static_cast<std::uint32_t>(block * block_columns_);
    const std::uint32_t end = first + static_cast<std::uint32_t>(block_columns_);
    const int rows = this->rows();
    std::vector<std::int32_t> ends(begins);
    for (int row = 0; row < rows; ++row)
      while (ends[row] < row_ends[row] && entries[ends[row]].column < end) ++ends[row];

    std::vector<std::uint32_t> order(rows);
    std::iota(order.begin(), order.end(), 0u);
    const auto size = [&](std::uint32_t row) { return ends[row] - begins[row]; };
    for (int panel = 0; panel < rows; panel += sparse_panel_rows)
      std::sort(order.begin() + panel, order.begin() + std::min(rows, panel + sparse_panel_rows),
                [&](auto a, auto b) { return size(a) != size(b) ? size(a) < size(b) : a < b; });
    for (const std::uint32_t row : order) {
      rows_in_order_.push_back(row);
      starts_.push_back(static_cast<std::uint32_t>(groups_.size()));
      add_row(entries.subspan(begins[row], size(row)), first);
    }
    return ends;
  }

  void add_row(std::span<const Entry> row, std::uint32_t first) {
    if constexpr (is_int8<Arithmetic>)
      if (this->kernels_.own.adds_pairs_in_16_bits) return add_groups(in_pairs_that_fit(row), first);
    add_groups(row, first);
  }

  /// A last group that is not full takes its last column again, with weight zero.
  void add_groups(std::span<const Entry> row, std::uint32_t first) {
    for (std::size_t i = 0; i < row.size(); i += group_size) {
      Group& group = groups_.emplace_back();
      for (std::size_t place = 0; place < group_size; ++place) {
        const bool exists = i + place < row.size();
        const auto& [column, value] = row[exists ? i + place : row.size() - 1];
        offsets_.push_back(static_cast<std::uint16_t>((column - first) * lane_multiple));
        set_weight(exists ? value : 0.0f, static_cast<int>(place), group);
      }
    }
  }

  /// Sums the groups of all panels before each one, over all blocks.
  void sum_costs() {
    const int rows = this->rows();
    panel_costs_.assign(1, 0);
    for (int panel = 0; panel < rows; panel += sparse_panel_rows) {
      const int end = std::min(rows, panel + sparse_panel_rows);
      std::uint32_t cost = panel_costs_.back();
      for (std::size_t block = 0; block < static_cast<std::size_t>(blocks_); ++block)
        cost += starts_[block * rows + end] - starts_[block * rows + panel];
      panel_costs_.push_back(cost);
    }
  }

  int first_row(int part, int parts) const {
    if (part == parts) return this->rows();
    const std::uint64_t target = std::uint64_t{panel_costs_.back()} * part / parts;
    const auto panel = std::lower_bound(panel_costs_.begin(), panel_costs_.end() - 1, target);
    return std::min(this->rows(),
                    static_cast<int>(panel - panel_costs_.begin()) * sparse_panel_rows);
  }

  std::vector<float> code_sums_;
  std::size_t kept_;
  int block_columns_ = 0;
  int blocks_ = 0;
  std::vector<std::uint32_t> rows_in_order_;
  std::vector<std::uint32_t> starts_;
  std::vector<std::uint16_t> offsets_;
  std::vector<Group> groups_;
  std::vector<std::uint32_t> panel_costs_;
};

}  // namespace

template <class Arithmetic>
std::shared_ptr<const Linear<Arithmetic>> make_sparse(const Kernels<Arithmetic>& kernels, int rows,
                                                      int columns,
                                                      std::span<const std::int32_t> row_pointers,
                                                      ColumnIndices column_indices, Values values,
                                                      std::span<const float> scales) {
  check_shape(rows, columns, scales);
  check_rows(row_pointers, rows, size_of(values));
  check_columns(column_indices, columns, size_of(values));
  if constexpr (is_int8<Arithmetic>) {
    check_int8_columns(columns);
    check_repeats(row_pointers, columns);
    RowCodes codes(rows, values, scales,
                   [&](int row) { return static_cast<std::size_t>(row_pointers[row + 1]); });
    return std::make_shared<SparseMatrix<Arithmetic>>(kernels, rows, columns, row_pointers,
                                                      column_indices, codes.codes(),
                                                      codes.scales(), std::move(codes.sums()));
  } else {
    return std::make_shared<SparseMatrix<Arithmetic>>(kernels, rows, columns, row_pointers,
                                                      column_indices, values, scales);
  }
}

template std::shared_ptr<const Linear<Float32>> make_sparse(const Kernels<Float32>&, int, int,
                                                            std::span<const std::int32_t>,
                                                            ColumnIndices, Values,
                                                            std::span<const float>);
template std::shared_ptr<const Linear<Bfloat16>> make_sparse(const Kernels<Bfloat16>&, int, int,
                                                             std::span<const std::int32_t>,
                                                             ColumnIndices, Values,
                                                             std::span<const float>);
template std::shared_ptr<const Linear<Int8<float>>> make_sparse(const Kernels<Int8<float>>&, int,
                                                                int, std::span<const std::int32_t>,
                                                                ColumnIndices, Values,
                                                                std::span<const float>);
template std::shared_ptr<const Linear<Int8<bfloat16>>> make_sparse(
    const Kernels<Int8<bfloat16>>&, int, int, std::span<const std::int32_t>, ColumnIndices, Values,
    std::span<const float>);

}  // namespace fineprune
