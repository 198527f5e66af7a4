#pragma once
// The end of every linear kernel: sums leave their registers finished.

#include "../elementary.hpp"

namespace fineprune::FINEPRUNE_ISA {

template <Activation activation, class Element, int vectors>
inline void activate(Floats (&sums)[vectors]) {
  for (int v = 0; v < vectors; ++v) {
    if constexpr (activation == Activation::relu) sums[v] = relu(sums[v]);
    if constexpr (activation == Activation::gelu) sums[v] = gelu<Element>(sums[v]);
    if constexpr (activation == Activation::gelu_tanh) sums[v] = gelu_tanh(sums[v]);
  }
}

/// Finishes a row's sums, `offset` being their place in a [rows][width] tile.
template <class Element, int vectors>
inline void finish(const Epilogue<Element>& epilogue, int row, std::size_t offset,
                   Floats (&sums)[vectors]) {
  const Floats scale = broadcast(epilogue.scales != nullptr ? epilogue.scales[row] : 1.0f);
  const Floats bias = broadcast(epilogue.bias != nullptr ? epilogue.bias[row] : 0.0f);
  for (int v = 0; v < vectors; ++v) sums[v] = sums[v] * scale + bias;
  switch (epilogue.activation) {
    case Activation::relu: activate<Activation::relu, Element>(sums); break;
    case Activation::gelu: activate<Activation::gelu, Element>(sums); break;
    case Activation::gelu_tanh: activate<Activation::gelu_tanh, Element>(sums); break;
    case Activation::none: break;
  }
  if (epilogue.residual != nullptr)
    for (int v = 0; v < vectors; ++v) sums[v] += load(epilogue.residual + offset + v * lanes);
  if (epilogue.wide != nullptr)
    for (int v = 0; v < vectors; ++v) store(epilogue.wide + offset + v * lanes, sums[v]);
  if (epilogue.narrow != nullptr)
    for (int v = 0; v < vectors; ++v) store(epilogue.narrow + offset + v * lanes, sums[v]);
}

}  // namespace fineprune::FINEPRUNE_ISA
