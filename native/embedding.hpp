#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <variant>

namespace fineprune {

/// An IEEE binary16 number, as stored.
struct float16 {
  std::uint16_t bits;
};

/// A table of rows that stays as small as it was stored: a row is expanded when it is used.
class Embedding {
 public:
  using Values = std::variant<std::span<const float>, std::span<const float16>,
                              std::span<const std::int8_t>>;

  /// `owner` keeps the memory of `values` and `scales` alive. Scales, one a row, may be empty.
  /// Throws std::invalid_argument where sizes do not fit together.
  Embedding(int rows, int columns, Values values, std::span<const float> scales,
            std::shared_ptr<const void> owner);

  int rows() const { return rows_; }
  int columns() const { return columns_; }

  /// Adds row `index`, which must exist, to `sum`, (columns,).
  void add_row(int index, float* sum) const;

 private:
  int rows_;
  int columns_;
  Values values_;
  std::span<const float> scales_;
  std::shared_ptr<const void> owner_;
};

}  // namespace fineprune
