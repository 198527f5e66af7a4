#pragma once
// What an encoder computes with, checked once and never changed: any number of calls share it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "encoder.hpp"
#include "require.hpp"
#include "tiled_layer.hpp"

namespace fineprune {

template <class Arithmetic>
struct EncoderWeights {
  const Kernels<Arithmetic>& kernels;
  const int heads;
  const float epsilon;
  const Activation activation;
  std::vector<float> bias;  ///< before scaling, [heads][2 * reach + 1]
  Embeddings embeddings;
  std::optional<BoundAffine<Arithmetic>> projection;
  std::vector<TiledLayer<Arithmetic>> layers;
  int embedding_size = 0;
  int hidden = 0;
  int head_size = 0;
  int intermediate = 0;  ///< of the widest layer
  bool reads_state = false;  ///< whether any linear of codes' encoder reads hidden states as they are

  /// Throws std::invalid_argument where parts do not fit together.
  EncoderWeights(const Kernels<Arithmetic>& kernels, Embeddings parts,
                 std::vector<Layer> parts_of_layers, const EncoderConfig& config)
      : kernels(kernels),
        heads(config.heads),
        epsilon(config.epsilon),
        activation(config.activation),
        bias(config.bias),
        embeddings(std::move(parts)) {
    require(embeddings.word != nullptr, "an encoder needs word embeddings");
    require(!parts_of_layers.empty(), "an encoder needs at least one layer");
    embedding_size = embeddings.word->columns();
    hidden = parts_of_layers.front().query.weight->columns();
    require(heads > 0 && hidden % heads == 0,
            "the hidden size, " + std::to_string(hidden) + ", is not a multiple of " +
                std::to_string(heads) + " heads");
    head_size = hidden / heads;
    prepare_bias();
    check_table(embeddings.position, "position");
    check_table(embeddings.type, "type");
    check_norm(embeddings.norm, "norm", embedding_size);
    if (embeddings.projection)
      projection.emplace(std::move(*embeddings.projection), "projection", hidden,
                          embedding_size);
    else
      require(embedding_size == hidden,
              "embeddings of size " + std::to_string(embedding_size) +
                  " need a projection to the hidden size, " + std::to_string(hidden));
    for (Layer& layer : parts_of_layers) layers.emplace_back(std::move(layer), hidden);
    for (const auto& layer : layers) {
      intermediate = std::max(intermediate, layer.up.rows());
      reads_state = reads_state || layer.reads_state();
    }
  }

  /// Of a head's scores; without values where there are none.
  DistanceBias bias_of(int head) const {
    const auto size = static_cast<int>(bias.size() / static_cast<std::size_t>(heads));
    if (size == 0) return {};
    return {bias.data() + static_cast<std::ptrdiff_t>(head) * size, size / 2};
  }

  /// Throws std::invalid_argument for ids outside of their tables, empty sequences, and lengths that
  /// do not sum to the tokens.
  void check(const Batch& batch) const {
    if (batch.lengths.empty()) refuse("the batch is empty");
    std::int64_t tokens = 0;
    for (const std::int32_t length : batch.lengths) {
      if (length <= 0)
        refuse("a sequence has at least one token, got length " + std::to_string(length));
      tokens += length;
    }
    constexpr std::int64_t most_lanes = std::int64_t{1} << 30;  // they are counted in an int
    if (tokens + std::ssize(batch.lengths) * lane_multiple > most_lanes)
      refuse("a batch of " + std::to_string(tokens) + " tokens is too large");
    if (static_cast<std::size_t>(tokens) != batch.tokens.size())
      refuse("lengths sum to " + std::to_string(tokens) + ", but there are " +
             std::to_string(batch.tokens.size()) + " tokens");
    check_ids(batch.tokens, batch.tokens.size(), embeddings.word, "tokens");
    check_ids(batch.positions, batch.tokens.size(), embeddings.position, "positions");
    check_ids(batch.types, batch.tokens.size(), embeddings.type, "types");
    if (!batch.places.empty()) check_places(batch);
  }

 private:
  void prepare_bias() {
    const std::size_t size = bias.size() / static_cast<std::size_t>(heads);
    require(bias.empty() || (size % 2 == 1 && size * heads == bias.size()),
            "biases of " + std::to_string(heads) + " heads must be of as many distances before as "
            "behind a query, got " + std::to_string(bias.size()));
    for (float& number : bias) number *= std::sqrt(static_cast<float>(head_size));
  }

  static void check_places(const Batch& batch) {
    if (batch.places.size() != batch.tokens.size())
      refuse("expected " + std::to_string(batch.tokens.size()) + " places, got " +
             std::to_string(batch.places.size()));
    auto place = batch.places.begin();
    for (const std::int32_t length : batch.lengths) {
      const auto end = place + length;
      if (*place < 0 || std::adjacent_find(place, end, std::greater_equal<>()) != end)
        refuse("places of a sequence must be at least 0, and ascend");
      place = end;
    }
  }

  void check_table(const std::shared_ptr<const Embedding>& table, const char* name) const {
    require(table == nullptr || table->columns() == embedding_size,
            std::string(name) + " embeddings must have " + std::to_string(embedding_size) +
                " columns as the word embeddings have");
  }

  static void check_ids(std::span<const std::int32_t> ids, std::size_t tokens,
                        const std::shared_ptr<const Embedding>& table, const char* name) {
    if (ids.size() != tokens)
      refuse("expected " + std::to_string(tokens) + " " + name + ", got " +
             std::to_string(ids.size()));
    if (table == nullptr) return;
    for (const std::int32_t id : ids)
      if (id < 0 || id >= table->rows())
        refuse(std::string(name) + " must be from 0 to " + std::to_string(table->rows() - 1) +
               ", got " + std::to_string(id));
  }
};

}  // namespace fineprune
