#pragma once
// Memory that an encoder keeps from call to call.

#include <cstddef>
#include <type_traits>

#include "aligned_buffer.hpp"

namespace fineprune {

/// The state of a token on its way through the layers, in float32, and the copy of it that linears
/// read. In float32 they are the same memory.
template <class Element>
class Stream {
 public:
  void reserve(std::size_t size) {
    wide_.reserve(size);
    if constexpr (!shared) narrow_.reserve(size);
  }
  float* wide(std::size_t offset) const { return wide_.data() + offset; }
  const Element* input(std::size_t offset) const {
    if constexpr (shared) return wide(offset);
    else return narrow_.data() + offset;
  }
  Element* narrow(std::size_t offset) const {
    if constexpr (shared) return nullptr;
    else return narrow_.data() + offset;
  }

 private:
  static constexpr bool shared = std::is_same_v<Element, float>;
  AlignedBuffer<float> wide_;
  AlignedBuffer<Element> narrow_;
};

/// Asks for memory that another phase has left far away. A sparse linear reads rows in no order
/// that the CPU could foresee, and would wait for each: a tenth of the time at 1,024 tokens.
template <class Element>
void prefetch(const Element* first, std::size_t count) {
  constexpr std::size_t step = 64 / sizeof(Element);
  for (std::size_t i = 0; i < count; i += step) __builtin_prefetch(first + i, 0, 2);
}

/// What one thread, or one team of threads, needs while it works on a tile.
template <class Element>
struct Scratch {
  AlignedBuffer<Element> intermediate;  ///< [intermediate][width]
  AlignedBuffer<float> sums;            ///< [hidden][width]
  AlignedBuffer<float> partial;         ///< [most rows of a matrix][width]
  AlignedBuffer<float> attention;
  AlignedBuffer<float> row;             ///< one token's embedding
};

}  // namespace fineprune
