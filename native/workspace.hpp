#pragma once
// Memory that an encoder keeps from call to call.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "aligned_buffer.hpp"
#include "kernels.hpp"

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

/// Brings rows of a tile near that another phase has left far away, by reading a word of each line. A
/// sparse linear goes over rows in no order that the CPU could foresee, and would wait for each; in
/// order they come at the speed of the memory. Prefetch instructions do less: a burst of them is
/// dropped. The words are thrown away: another thread may write them meanwhile.
template <class Element>
void bring_near(const Element* tile, RowRange rows, int width) {
  constexpr std::size_t step = 64 / sizeof(Element);
  const std::size_t end = static_cast<std::size_t>(rows.end) * width;
  for (std::size_t i = static_cast<std::size_t>(rows.begin) * width; i < end; i += step) {
    std::uint16_t word;
    std::memcpy(&word, tile + i, sizeof word);
    asm volatile("" : : "r"(word));
  }
}

/// What one thread, or one team of threads, needs while it works on a tile.
template <class Element>
struct Scratch {
  AlignedBuffer<Element> intermediate;  ///< [intermediate][width]
  AlignedBuffer<float> partial;         ///< [most rows of a matrix][width]
  AlignedBuffer<float> attention;
  AlignedBuffer<float> row;             ///< one token's embedding
};

}  // namespace fineprune
