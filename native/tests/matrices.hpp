#pragma once
// Weights as a matrix for the kernels, in either form.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../matrix.hpp"

namespace fineprune::tests {

enum class Kind { dense, sparse };

/// `weights` are [rows][columns], numbers or codes; a sparse matrix keeps those that are not zero.
template <class Arithmetic, class Number>
std::shared_ptr<const Linear<Arithmetic>> make_matrix(const Kernels<Arithmetic>& kernels, Kind kind,
                                                      int rows, int columns,
                                                      const std::vector<Number>& weights,
                                                      std::span<const float> scales = {}) {
  if (kind == Kind::dense)
    return make_dense<Arithmetic>(kernels, rows, columns, std::span<const Number>(weights), scales);
  std::vector<std::int32_t> pointers = {0};
  std::vector<std::uint16_t> kept;
  std::vector<Number> values;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const Number value = weights[static_cast<std::size_t>(row) * columns + column];
      if (value == 0) continue;
      kept.push_back(static_cast<std::uint16_t>(column));
      values.push_back(value);
    }
    pointers.push_back(static_cast<std::int32_t>(values.size()));
  }
  return make_sparse<Arithmetic>(kernels, rows, columns, pointers,
                                 std::span<const std::uint16_t>(kept),
                                 std::span<const Number>(values), scales);
}

}  // namespace fineprune::tests
