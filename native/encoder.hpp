#pragma once
// What runs the program of an encoder.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "program.hpp"

namespace fineprune {

struct EncoderConfig {
  int threads;                                    ///< that one call runs on at most
  std::size_t most_idle_bytes = std::size_t{64} << 20;  ///< of memory kept between calls
};

/// Sequences one after another, without padding.
struct Batch {
  std::span<const std::int32_t> tokens;
  std::span<const std::int32_t> positions;
  std::span<const std::int32_t> types;
  std::span<const std::int32_t> lengths;  ///< of each sequence; they sum to the tokens
  /// Of tokens in their row, ascending in each sequence; none where they stand one after another.
  std::span<const std::int32_t> places = {};

  std::span<const std::int32_t> ids(Ids kind) const {
    return kind == Ids::tokens ? tokens : kind == Ids::positions ? positions : types;
  }
};

class Encoder {
 public:
  virtual ~Encoder() = default;

  virtual int hidden_size() const = 0;

  /// Hidden states: (tokens, hidden) or, with `first_only`, (sequences, hidden) of each sequence's
  /// first token. Calls from several threads run side by side: each takes those of the threads that
  /// are free, and its own at least. The result does not depend on how many that are.
  /// Throws ThreadsError where the system starts no threads, which after a fork are started anew, and
  /// std::invalid_argument, before it computes anything, for ids outside of their tables,
  /// empty sequences, lengths that do not sum to the tokens, and places that do not ascend.
  virtual void run(const Batch& batch, bool first_only, std::span<float> output) const = 0;

  /// How many phases a run has: what comes before the first attention, and for each attention itself,
  /// and all from there to the next one.
  virtual std::size_t phases() const = 0;

  /// As `run`, on the calling thread alone; tells for how many seconds it had a CPU in each phase.
  virtual void time(const Batch& batch, bool first_only, std::span<float> output,
                    std::span<double> seconds) const = 0;
};

/// Throws std::invalid_argument where steps do not fit together, or where a matrix was prepared
/// for another precision or instruction set.
template <class Arithmetic>
std::unique_ptr<Encoder> make_encoder(const Kernels<Arithmetic>& kernels, Program program,
                                      const EncoderConfig& config);

}  // namespace fineprune
