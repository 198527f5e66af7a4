#pragma once
// Weights as a matrix for the kernels, in either form.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../matrix.hpp"

namespace fineprune::tests {

enum class Kind { dense, sparse };

/// `weights` are [rows][columns]; a sparse matrix keeps those that are not zero.
template <class Element>
std::shared_ptr<const Linear<Element>> make_matrix(const Kernels<Element>& kernels, Kind kind,
                                                   int rows, int columns,
                                                   std::span<const float> weights,
                                                   std::span<const float> scales = {}) {
  if (kind == Kind::dense) return make_dense<Element>(kernels, rows, columns, weights, scales);
  std::vector<std::int32_t> pointers = {0};
  std::vector<std::uint16_t> kept;
  std::vector<float> values;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const float value = weights[static_cast<std::size_t>(row) * columns + column];
      if (value == 0.0f) continue;
      kept.push_back(static_cast<std::uint16_t>(column));
      values.push_back(value);
    }
    pointers.push_back(static_cast<std::int32_t>(values.size()));
  }
  return make_sparse<Element>(kernels, rows, columns, pointers,
                              std::span<const std::uint16_t>(kept),
                              std::span<const float>(values), scales);
}

}  // namespace fineprune::tests
