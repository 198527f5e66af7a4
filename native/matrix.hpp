#pragma once
// Weight matrices, prepared once for one instruction set and one type of activations.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "kernels.hpp"

namespace fineprune {

/// Values as they come from a file: numbers, or codes that a row's scale turns into numbers.
using Values = std::variant<std::span<const float>, std::span<const std::int8_t>>;
using ColumnIndices = std::variant<std::span<const std::uint16_t>, std::span<const std::uint32_t>>;

/// Throws std::invalid_argument for a shape or a number of scales that no matrix has.
void check_shape(int rows, int columns, std::span<const float> scales);

/// A weight matrix of shape (rows, columns), immutable.
class Matrix {
 public:
  virtual ~Matrix() = default;

  int rows() const { return rows_; }
  int columns() const { return columns_; }
  virtual std::size_t kept() const = 0;
  virtual bool is_sparse() const = 0;
  virtual std::size_t bytes() const = 0;

  /// A part of the rows, all of about the same cost, for thread `part` of `parts`.
  virtual RowRange share(int part, int parts) const = 0;

  /// output (tokens, rows) = input (tokens, columns) times the transposed matrix, on one thread.
  virtual void multiply(std::span<const float> input, int tokens,
                        std::span<float> output) const = 0;

  /// Least seconds of CPU of one multiplication of `tokens` tokens that already lie in tiles, after one
  /// that does not count. What disturbs a measurement makes it longer, never shorter.
  virtual double seconds(int tokens, int repeats) const = 0;

 protected:
  Matrix(int rows, int columns, std::span<const float> scales);

  const float* scales() const { return scales_.empty() ? nullptr : scales_.data(); }
  std::size_t scale_bytes() const { return scales_.size() * sizeof(float); }

 private:
  int rows_;
  int columns_;
  std::vector<float> scales_;
};

/// A matrix for one arithmetic.
template <class Arithmetic>
class Linear : public Matrix {
 public:
  using State = typename Arithmetic::State;

  /// Some rows, a share of them, of the product with one tile of activations. The epilogue needs a workspace
  /// `partial`; its scales and sums of codes are replaced by the matrix's own.
  virtual void apply(RowRange rows, int width, const InputTile<Arithmetic>& input,
                     Epilogue<State> epilogue) const = 0;

  void multiply(std::span<const float> input, int tokens, std::span<float> output) const final;
  double seconds(int tokens, int repeats) const final;

 protected:
  /// The product with one token, where there is a quicker way than a tile; else false.
  virtual bool multiply_token(const float*, float*) const { return false; }

  Linear(const Kernels<Arithmetic>& kernels, int rows, int columns, std::span<const float> scales)
      : Matrix(rows, columns, scales), kernels_(kernels) {}

  const Kernels<Arithmetic>& kernels_;
};

/// Makes the matrix from its kept weights. Throws std::invalid_argument for anything that does not
/// fit together: this is the only place where row pointers and column indices are checked.
///
/// For codes of 8 bits, weights that come as numbers are rounded to codes with a scale a row.
template <class Arithmetic>
std::shared_ptr<const Linear<Arithmetic>> make_sparse(const Kernels<Arithmetic>& kernels, int rows,
                                                      int columns,
                                                      std::span<const std::int32_t> row_pointers,
                                                      ColumnIndices column_indices, Values values,
                                                      std::span<const float> scales);

/// Makes the matrix from all of its weights, row by row. Throws likewise.
template <class Arithmetic>
std::shared_ptr<const Linear<Arithmetic>> make_dense(const Kernels<Arithmetic>& kernels, int rows,
                                                     int columns, Values values,
                                                     std::span<const float> scales);

}  // namespace fineprune
