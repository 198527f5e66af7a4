#pragma once
// Memory that a call works in, and leaves to the next one.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "aligned_buffer.hpp"
#include "code_tiles.hpp"
#include "encoder_weights.hpp"
#include "kernels.hpp"
#include "layout.hpp"
#include "thread_pool.hpp"

namespace fineprune {

/// Hidden states on their way through the layers, in float32, and what linears read of them: the same
/// memory, a narrower copy, or codes.
template <class Arithmetic>
class Stream {
 public:
  using State = typename Arithmetic::State;

  /// `narrow`: whether anything reads states of a narrower type.
  void reserve(std::size_t tiles, std::size_t features, bool narrow) {
    features_ = features;
    const std::size_t size = tiles * largest_width * features;
    wide_.reserve(size);
    if (narrow && !is_float) narrow_.reserve(size);
    if constexpr (is_int8<Arithmetic>) codes_.reserve(tiles, features);
  }
  std::size_t bytes() const { return wide_.bytes() + narrow_.bytes() + codes_.bytes(); }

  float* wide(int tile) const { return wide_.data() + offset(tile); }

  /// Null where nothing reads it, or where it is the same as the wide one.
  State* narrow(int tile) const {
    return narrow_.size() == 0 ? nullptr : narrow_.data() + offset(tile);
  }

  InputTile<Arithmetic> input(int tile) const {
    const State* state;
    if constexpr (is_float) state = wide(tile);
    else state = narrow(tile);
    if constexpr (is_int8<Arithmetic>) return codes_.input(tile, state);
    else return {state};
  }

  /// Makes codes of a tile, where linears read these.
  void quantize(const Kernels<Arithmetic>& kernels, int tile, int width) const {
    if constexpr (is_int8<Arithmetic>)
      kernels.own.quantize_floats(
          codes_.task(tile, wide(tile), static_cast<int>(features_), width));
  }

 private:
  static constexpr bool is_float = std::is_same_v<State, float>;

  std::size_t offset(int tile) const {
    return static_cast<std::size_t>(tile) * largest_width * features_;
  }

  std::size_t features_ = 0;
  AlignedBuffer<float> wide_;
  AlignedBuffer<State> narrow_;
  CodeTiles codes_;
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
template <class Arithmetic>
struct Scratch {
  AlignedBuffer<typename Arithmetic::State> intermediate;  ///< [intermediate][width]
  CodeTiles codes;                      ///< of contexts, then of the intermediate
  AlignedBuffer<float> partial;         ///< [most rows of a matrix][width]
  AlignedBuffer<float> attention;
  AlignedBuffer<float> row;             ///< one token's embedding

  std::size_t bytes() const {
    return intermediate.bytes() + codes.bytes() + partial.bytes() + attention.bytes() + row.bytes();
  }
};

/// All that one call needs.
template <class Arithmetic>
struct Workspace {
  Layout layout;
  Stream<Arithmetic> embedded;  ///< [tile][embedding_size][width], where there is a projection
  Stream<Arithmetic> stream;    ///< [tile][hidden][width]
  /// Likewise; queries turn into contexts in place.
  AlignedBuffer<typename Arithmetic::State> queries, keys, values;
  std::vector<Scratch<Arithmetic>> scratch;  ///< one a thread
  std::vector<WorkQueue> queues;             ///< one a phase

  /// Arranges a batch, and sees to it that there is room for it. What an earlier batch has left in
  /// lanes without a token is overwritten before it is read.
  void prepare(const EncoderWeights<Arithmetic>& weights, const Batch& batch, int threads) {
    layout.arrange(batch.lengths, weights.heads);
    const auto tiles = static_cast<std::size_t>(layout.tiles());
    const std::size_t lanes = tiles * largest_width;
    if (weights.projection)
      embedded.reserve(tiles, weights.embedding_size,
                       !is_int8<Arithmetic> || weights.projection->is_exact());
    stream.reserve(tiles, weights.hidden, !is_int8<Arithmetic> || weights.reads_state);
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
    for (const Scratch<Arithmetic>& one : scratch) sum += one.bytes();
    return sum;
  }

 private:
  void prepare_threads(const EncoderWeights<Arithmetic>& weights, const Batch& batch,
                       std::size_t threads) {
    if (scratch.size() < threads) scratch.resize(threads);
    const int longest = *std::max_element(batch.lengths.begin(), batch.lengths.end());
    for (std::size_t thread = 0; thread < threads; ++thread) {
      Scratch<Arithmetic>& one = scratch[thread];
      one.intermediate.reserve(static_cast<std::size_t>(largest_width) * weights.intermediate);
      if constexpr (is_int8<Arithmetic>)
        one.codes.reserve(1, std::max(weights.hidden, weights.intermediate));
      one.partial.reserve(static_cast<std::size_t>(largest_width) *
                          std::max(weights.hidden, weights.intermediate));
      one.attention.reserve(attention_workspace(longest, weights.head_size));
      one.row.reserve(weights.embedding_size);
    }
  }
};

}  // namespace fineprune
