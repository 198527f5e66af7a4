#pragma once
// Memory that a call works in, and leaves to the next one.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "aligned_buffer.hpp"
#include "bound_program.hpp"
#include "code_tiles.hpp"
#include "kernels.hpp"
#include "layout.hpp"
#include "thread_pool.hpp"

namespace fineprune {

/// What a step finds of a buffer in a tile, each [features][width].
template <class State>
struct Spot {
  float* wide;    ///< of a stream; else null
  State* state;   ///< what linears read; null where none does
  State* narrow;  ///< the same, where it has to be written beside `wide`; else null
};

/// A buffer's room in tiles. Streams are kept in float32, and beside that, where linears read another
/// type, in a narrower copy.
template <class State>
class Tiles {
 public:
  void reserve(std::size_t tiles, const Buffer& buffer, bool narrow) {
    stride_ = static_cast<std::size_t>(buffer.features) * largest_width;
    if (buffer.is_stream) wide_.reserve(tiles * stride_);
    if (!buffer.is_stream || (narrow && !is_float)) state_.reserve(tiles * stride_);
  }
  std::size_t bytes() const { return wide_.bytes() + state_.bytes(); }
  std::size_t stride() const { return stride_; }

  Spot<State> at(int tile) const {
    float* const wide = place(wide_, tile);
    State* const state = place(state_, tile);
    if constexpr (is_float)
      if (wide != nullptr) return {wide, wide, nullptr};
    return {wide, state, state};
  }

 private:
  static constexpr bool is_float = std::is_same_v<State, float>;

  template <class Element>
  Element* place(const AlignedBuffer<Element>& memory, int tile) const {
    return memory.size() == 0 ? nullptr : memory.data() + static_cast<std::size_t>(tile) * stride_;
  }

  std::size_t stride_ = 0;
  AlignedBuffer<float> wide_;
  AlignedBuffer<State> state_;
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
  std::vector<Tiles<typename Arithmetic::State>> tiles;  ///< one a buffer, of those of a phase
  CodeTiles codes;                ///< of the buffer that was quantized last
  AlignedBuffer<float> partial;   ///< [most rows of a matrix][width], of the thread itself
  AlignedBuffer<float> attention;
  AlignedBuffer<float> row;       ///< one token's

  std::size_t bytes() const {
    std::size_t sum = codes.bytes() + partial.bytes() + attention.bytes() + row.bytes();
    for (const auto& one : tiles) sum += one.bytes();
    return sum;
  }
};

/// All that one call needs.
template <class Arithmetic>
struct Workspace {
  Layout layout;
  std::vector<Tiles<typename Arithmetic::State>> tiles;  ///< one a buffer, of those that outlast a phase
  std::vector<Scratch<Arithmetic>> scratch;              ///< one a thread
  std::vector<WorkQueue> queues;                         ///< one for each attention, and one for all from there to the next

  /// Arranges a batch, and sees to it that there is room for it. What an earlier batch has left in
  /// lanes without a token is overwritten before it is read.
  void prepare(const BoundProgram<Arithmetic>& program, const Batch& batch, int threads) {
    layout.arrange(batch.lengths, program.heads());
    reserve(program, tiles, static_cast<std::size_t>(layout.tiles()), false);
    prepare_threads(program, batch, static_cast<std::size_t>(threads));
    const std::size_t queue_count = 2 * program.phases().size();
    if (queues.empty()) queues = std::vector<WorkQueue>(queue_count);
    for (WorkQueue& queue : queues) queue.reset();
  }

  std::size_t bytes() const {
    std::size_t sum = layout.bytes();
    for (const auto& one : tiles) sum += one.bytes();
    for (const Scratch<Arithmetic>& one : scratch) sum += one.bytes();
    return sum;
  }

 private:
  using AllTiles = std::vector<Tiles<typename Arithmetic::State>>;

  static void reserve(const BoundProgram<Arithmetic>& program, AllTiles& tiles, std::size_t count,
                      bool of_phase) {
    const auto& buffers = program.buffers();
    if (tiles.empty()) tiles = AllTiles(buffers.size());
    for (std::size_t index = 0; index < buffers.size(); ++index)
      if (buffers[index].of_phase == of_phase)
        tiles[index].reserve(count, buffers[index], program.has_narrow(static_cast<int>(index)));
  }

  void prepare_threads(const BoundProgram<Arithmetic>& program, const Batch& batch,
                       std::size_t threads) {
    if (scratch.size() < threads) scratch.resize(threads);
    const int longest = *std::max_element(batch.lengths.begin(), batch.lengths.end());
    const auto widest = static_cast<std::size_t>(program.widest_buffer());
    for (std::size_t thread = 0; thread < threads; ++thread) {
      Scratch<Arithmetic>& one = scratch[thread];
      reserve(program, one.tiles, 1, true);
      if constexpr (is_int8<Arithmetic>) one.codes.reserve(1, widest);
      one.partial.reserve(largest_width * widest);
      one.attention.reserve(attention_workspace(longest, program.largest_head(),
                                                program.has_distance_rows()));
      one.row.reserve(widest);
    }
  }
};

}  // namespace fineprune
