#pragma once
// Memory that a call works in, and leaves to the next one.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "aligned_buffer.hpp"
#include "encoder_weights.hpp"
#include "kernels.hpp"
#include "layout.hpp"
#include "thread_pool.hpp"

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
  std::size_t bytes() const { return wide_.bytes() + narrow_.bytes(); }
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

/// Brings memory near that another phase has left far away, by reading a word of each line. A sparse
/// linear goes over rows in no order that the CPU could foresee, and would wait for each; in order
/// they come at the speed of the memory. Prefetch instructions do less: a burst of them is dropped.
/// The words are thrown away; still, no other thread may write there meanwhile.
template <class Element>
void bring_near(const Element* begin, const Element* end) {
  constexpr std::ptrdiff_t step = 64 / sizeof(Element);
  for (; begin < end; begin += step) {
    std::uint16_t word;
    std::memcpy(&word, begin, sizeof word);
    asm volatile("" : : "r"(word));
  }
}

/// Rows of a tile.
template <class Element>
void bring_near(const Element* tile, RowRange rows, int width) {
  bring_near(tile + static_cast<std::size_t>(rows.begin) * width,
             tile + static_cast<std::size_t>(rows.end) * width);
}

/// What one thread, or one team of threads, needs while it works on a tile.
template <class Element>
struct Scratch {
  AlignedBuffer<Element> intermediate;  ///< [intermediate][width]
  AlignedBuffer<float> partial;         ///< [most rows of a matrix][width]
  AlignedBuffer<float> attention;
  AlignedBuffer<float> row;             ///< one token's embedding

  std::size_t bytes() const {
    return intermediate.bytes() + partial.bytes() + attention.bytes() + row.bytes();
  }
};

/// All that one call needs.
template <class Element>
struct Workspace {
  Layout layout;
  Stream<Element> embedded;  ///< [tile][embedding_size][width], where there is a projection
  Stream<Element> stream;    ///< [tile][hidden][width]
  AlignedBuffer<Element> queries, keys, values;  ///< likewise; queries turn into contexts in place
  std::vector<Scratch<Element>> scratch;         ///< one a thread
  std::vector<WorkQueue> queues;                 ///< one a phase

  /// Arranges a batch, and sees to it that there is room for it. What an earlier batch has left in
  /// lanes without a token is overwritten before it is read.
  void prepare(const EncoderWeights<Element>& weights, const Batch& batch, int threads) {
    layout.arrange(batch.lengths, weights.heads);
    const std::size_t lanes = static_cast<std::size_t>(layout.tiles()) * largest_width;
    if (weights.projection) embedded.reserve(lanes * weights.embedding_size);
    stream.reserve(lanes * weights.hidden);
    queries.reserve(lanes * weights.hidden);
    keys.reserve(lanes * weights.hidden);
    values.reserve(lanes * weights.hidden);
    prepare_threads(weights, batch, static_cast<std::size_t>(threads));
    const std::size_t phases = 2 * weights.layers.size() + 2;
    if (queues.empty()) queues = std::vector<WorkQueue>(phases);
    for (WorkQueue& queue : queues) queue.reset();
  }

  std::size_t bytes() const {
    std::size_t sum = embedded.bytes() + stream.bytes() + queries.bytes() + keys.bytes() +
                      values.bytes() + layout.bytes();
    for (const Scratch<Element>& one : scratch) sum += one.bytes();
    return sum;
  }

 private:
  void prepare_threads(const EncoderWeights<Element>& weights, const Batch& batch,
                       std::size_t threads) {
    if (scratch.size() < threads) scratch.resize(threads);
    const int longest = *std::max_element(batch.lengths.begin(), batch.lengths.end());
    for (std::size_t thread = 0; thread < threads; ++thread) {
      Scratch<Element>& one = scratch[thread];
      one.intermediate.reserve(static_cast<std::size_t>(largest_width) * weights.intermediate);
      one.partial.reserve(static_cast<std::size_t>(largest_width) *
                          std::max(weights.hidden, weights.intermediate));
      one.attention.reserve(attention_workspace(longest, weights.head_size));
      one.row.reserve(weights.embedding_size);
    }
  }
};

}  // namespace fineprune
