#pragma once
// The end of every linear kernel: sums leave their registers finished.

#include "../elementary.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// Finishes one vector of sums: `offset` is its place in a [rows][width] tile.
template <class Element>
inline void finish(const Epilogue<Element>& epilogue, int row, std::size_t offset, Floats sum) {
  if (epilogue.scales != nullptr) sum *= epilogue.scales[row];
  if (epilogue.bias != nullptr) sum += epilogue.bias[row];
  sum = activate(epilogue.activation, sum);
  if (epilogue.residual != nullptr) sum += load(epilogue.residual + offset);
  if (epilogue.wide != nullptr) store(epilogue.wide + offset, sum);
  if (epilogue.narrow != nullptr) store(epilogue.narrow + offset, sum);
}

}  // namespace fineprune::FINEPRUNE_ISA
