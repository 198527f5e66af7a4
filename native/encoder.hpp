#pragma once
// A transformer encoder with LayerNorm after each residual, as BERT has it.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "embedding.hpp"
#include "matrix.hpp"

namespace fineprune {

struct Affine {
  std::shared_ptr<const Matrix> weight;
  std::vector<float> bias;
};

struct Norm {
  std::vector<float> weight;
  std::vector<float> bias;
};

struct Embeddings {
  std::shared_ptr<const Embedding> word;
  std::shared_ptr<const Embedding> position;  ///< or null
  std::shared_ptr<const Embedding> type;      ///< or null
  Norm norm;
  std::optional<Affine> projection;           ///< from the embeddings' size to the hidden size
};

struct Layer {
  Affine query, key, value, output;
  Norm attention_norm;
  Affine up, down;
  Norm output_norm;
};

struct EncoderConfig {
  int heads;
  float epsilon;
  Activation activation;
  int threads;                                    ///< that one call runs on at most
  std::vector<float> bias = {};                   ///< of attention, [heads][2 * reach + 1] by distance, or none
  std::size_t most_idle_bytes = std::size_t{64} << 20;  ///< of memory kept between calls
};

/// Sequences one after another, without padding.
struct Batch {
  std::span<const std::int32_t> tokens;
  std::span<const std::int32_t> positions;
  std::span<const std::int32_t> types;
  std::span<const std::int32_t> lengths;  ///< of each sequence; they sum to the tokens
  std::span<const std::int32_t> places = {};  ///< of tokens in their row, ascending; empty: one after another
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
  /// empty sequences, and lengths that do not sum to the tokens.
  virtual void run(const Batch& batch, bool first_only, std::span<float> output) const = 0;

  /// How many phases a run has: what comes before the first attention, and for each layer its
  /// attention, and all from there to the next one.
  virtual std::size_t phases() const = 0;

  /// As `run`, on the calling thread alone; tells for how many seconds it had a CPU in each phase.
  virtual void time(const Batch& batch, bool first_only, std::span<float> output,
                    std::span<double> seconds) const = 0;
};

/// Throws std::invalid_argument where shapes do not fit together, or where a matrix was prepared
/// for another precision or instruction set.
template <class Arithmetic>
std::unique_ptr<Encoder> make_encoder(const Kernels<Arithmetic>& kernels, Embeddings embeddings,
                                      std::vector<Layer> layers, const EncoderConfig& config);

}  // namespace fineprune
