#pragma once
// Activations of tiles as codes, and what turns them into numbers.

#include <cstddef>
#include <cstdint>

#include "aligned_buffer.hpp"
#include "kernels.hpp"

namespace fineprune {

/// Room for tiles of codes.
class CodeTiles {
 public:
  void reserve(std::size_t tiles, std::size_t features) {
    features_ = features;
    codes_.reserve(tiles * features * largest_width);
    steps_.reserve(tiles * largest_width);
    lows_.reserve(tiles * largest_width);
  }
  std::size_t bytes() const { return codes_.bytes() + steps_.bytes() + lows_.bytes(); }

  /// To make the codes of a tile of numbers.
  template <class Number>
  QuantizeTask<Number> task(int tile, const Number* numbers, int features, int width) const {
    const std::size_t lane = static_cast<std::size_t>(tile) * largest_width;
    return {numbers, features, width, codes_.data() + lane * features_, steps_.data() + lane,
            lows_.data() + lane};
  }

  /// For a linear. `state` are the numbers themselves, where any linear reads these.
  template <class State>
  InputTile<Int8<State>> input(int tile, const State* state) const {
    const std::size_t lane = static_cast<std::size_t>(tile) * largest_width;
    return {state, codes_.data() + lane * features_, steps_.data() + lane, lows_.data() + lane};
  }

 private:
  std::size_t features_ = 0;           ///< of a tile, at most
  AlignedBuffer<std::uint8_t> codes_;  ///< [tile][features][width]
  AlignedBuffer<float> steps_;         ///< [tile][width]
  AlignedBuffer<float> lows_;          ///< [tile][width]
};

}  // namespace fineprune
