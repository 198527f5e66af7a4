#pragma once
// The end of every linear kernel: sums leave their registers finished.

#include "../elementary.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// A row's numbers of a block of lanes.
template <int block>
struct Numbers {
  static constexpr int count = block / lanes;
  Floats vectors[count];
};

/// Sums times the row's scale, plus its bias.
template <int block, class State>
inline Numbers<block> scaled(const Floats (&sums)[block / lanes], const Epilogue<State>& epilogue,
                             int row) {
  const Floats scale = broadcast(epilogue.scales != nullptr ? epilogue.scales[row] : 1.0f);
  const Floats bias = broadcast(epilogue.bias != nullptr ? epilogue.bias[row] : 0.0f);
  Numbers<block> numbers;
  for (int v = 0; v < numbers.count; ++v) numbers.vectors[v] = sums[v] * scale + bias;
  return numbers;
}

template <Activation activation, class State, int block>
inline void activate(Numbers<block>& numbers) {
  for (Floats& x : numbers.vectors) {
    if constexpr (activation == Activation::relu) x = relu(x);
    if constexpr (activation == Activation::gelu) x = gelu<State>(x);
    if constexpr (activation == Activation::gelu_tanh) x = gelu_tanh(x);
    if constexpr (activation == Activation::tanh) x = hyperbolic_tangent(x);
  }
}

/// Finishes a row's numbers, `offset` being their place in a [rows][width] tile.
template <class State, int block>
inline void finish(const Epilogue<State>& epilogue, std::size_t offset, Numbers<block> numbers) {
  switch (epilogue.activation) {
    case Activation::relu: activate<Activation::relu, State>(numbers); break;
    case Activation::gelu: activate<Activation::gelu, State>(numbers); break;
    case Activation::gelu_tanh: activate<Activation::gelu_tanh, State>(numbers); break;
    case Activation::tanh: activate<Activation::tanh, State>(numbers); break;
    case Activation::none: break;
  }
  for (int v = 0; v < numbers.count; ++v) {
    const std::size_t place = offset + v * lanes;
    Floats& x = numbers.vectors[v];
    if (epilogue.residual != nullptr) x += load(epilogue.residual + place);
    if (epilogue.wide != nullptr) store(epilogue.wide + place, x);
    if (epilogue.narrow != nullptr) store(epilogue.narrow + place, x);
  }
}

}  // namespace fineprune::FINEPRUNE_ISA
