#include "encoder.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <type_traits>

#include "layout.hpp"
#include "require.hpp"
#include "thread_pool.hpp"
#include "tiled_layer.hpp"
#include "tiles.hpp"
#include "workspace.hpp"

namespace fineprune {
namespace {

template <class Element>
class TiledEncoder final : public Encoder {
 public:
  TiledEncoder(const Kernels<Element>& kernels, Embeddings embeddings, std::vector<Layer> layers,
               const EncoderConfig& config)
      : kernels_(kernels),
        config_(config),
        embeddings_(std::move(embeddings)),
        pool_(checked_threads(config)),
        scratch_(static_cast<std::size_t>(config.threads)),
        queues_(2 * layers.size() + 2) {
    require(embeddings_.word != nullptr, "an encoder needs word embeddings");
    require(!layers.empty(), "an encoder needs at least one layer");
    embedding_size_ = embeddings_.word->columns();
    hidden_ = layers.front().query.weight->columns();
    require(config.heads > 0 && hidden_ % config.heads == 0,
            "the hidden size, " + std::to_string(hidden_) + ", is not a multiple of " +
                std::to_string(config.heads) + " heads");
    head_size_ = hidden_ / config.heads;
    check_table(embeddings_.position, "position");
    check_table(embeddings_.type, "type");
    check_norm(embeddings_.norm, "norm", embedding_size_);
    if (embeddings_.projection)
      projection_.emplace(std::move(*embeddings_.projection), "projection", hidden_,
                          embedding_size_);
    else
      require(embedding_size_ == hidden_,
              "embeddings of size " + std::to_string(embedding_size_) +
                  " need a projection to the hidden size, " + std::to_string(hidden_));
    for (Layer& layer : layers) layers_.emplace_back(std::move(layer), hidden_);
    for (const auto& layer : layers_) intermediate_ = std::max(intermediate_, layer.up.rows());
  }

  int hidden_size() const override { return hidden_; }

  void run(const Batch& batch, bool first_only, std::span<float> output) override {
    check(batch);
    const std::size_t rows = first_only ? batch.lengths.size() : batch.tokens.size();
    if (output.size() != rows * hidden_) refuse("the output has the wrong size");
    const std::lock_guard lock(mutex_);
    layout_.arrange(batch.lengths, config_.heads);
    reserve(batch);
    for (WorkQueue& queue : queues_) queue.reset();
    const Job job{batch, first_only, output};
    pool_.run([this, &job](int thread) { forward(job, thread); });
  }

 private:
  struct Job {
    const Batch& batch;
    bool first_only;
    std::span<float> output;
  };

  static int checked_threads(const EncoderConfig& config) {
    require(config.threads > 0,
            "an encoder needs at least one thread, got " + std::to_string(config.threads));
    return config.threads;
  }

  void check_table(const std::shared_ptr<const Embedding>& table, const char* name) const {
    require(table == nullptr || table->columns() == embedding_size_,
            std::string(name) + " embeddings must have " + std::to_string(embedding_size_) +
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
    check_ids(batch.tokens, batch.tokens.size(), embeddings_.word, "tokens");
    check_ids(batch.positions, batch.tokens.size(), embeddings_.position, "positions");
    check_ids(batch.types, batch.tokens.size(), embeddings_.type, "types");
  }

  void reserve(const Batch& batch) {
    const std::size_t lanes = static_cast<std::size_t>(layout_.tiles()) * largest_width;
    if (projection_) embedded_.reserve(lanes * embedding_size_);
    stream_.reserve(lanes * hidden_);
    queries_.reserve(lanes * hidden_);
    keys_.reserve(lanes * hidden_);
    values_.reserve(lanes * hidden_);
    const int longest = *std::max_element(batch.lengths.begin(), batch.lengths.end());
    for (Scratch<Element>& scratch : scratch_) {
      scratch.intermediate.reserve(static_cast<std::size_t>(largest_width) * intermediate_);
      scratch.partial.reserve(static_cast<std::size_t>(largest_width) *
                              std::max(hidden_, intermediate_));
      scratch.attention.reserve(attention_workspace(longest, head_size_));
      scratch.row.reserve(embedding_size_);
    }
  }

  void forward(const Job& job, int thread) {
    auto queue = queues_.begin();
    const auto& tiles = layout_.all_tiles();
    share_tiles(tiles, thread, *queue++, [&](int tile, const Team& team) {
      embed(job.batch, tile, team);
      project_inputs(layers_.front(), tile, team);
    });
    pool_.barrier().wait(pool_.threads());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const bool last = i + 1 == layers_.size();
      const bool first_only = last && job.first_only;
      const auto& units = first_only ? layout_.first_units() : layout_.units();
      const AttentionUnit* last_unit = nullptr;
      queue++->drain_runs(static_cast<int>(units.size()), pool_.threads(), [&](int unit) {
        attend(units[unit], last_unit, thread);
        last_unit = &units[unit];
      });
      pool_.barrier().wait(pool_.threads());
      share_tiles(first_only ? layout_.first_tiles() : tiles, thread, *queue++,
                  [&](int tile, const Team& team) {
                    transform(layers_[i], tile, team);
                    if (!last) project_inputs(layers_[i + 1], tile, team);
                  });
      pool_.barrier().wait(pool_.threads());
    }
    write(job, thread, *queue);
  }

  /// Whole tiles go to whichever thread is free. The last ones, too few for all threads, are done
  /// by teams, each of which splits the rows of one tile.
  template <class Work>
  void share_tiles(const std::vector<int>& tiles, int thread, WorkQueue& queue, const Work& work) {
    const int threads = pool_.threads();
    const int count = static_cast<int>(tiles.size());
    const int rest = count % threads;
    queue.drain(count - rest, [&](int index) { work(tiles[index], Team::alone(thread)); });
    if (rest == 0) return;
    const Team team = pool_.team(thread, rest);
    if (team.members() == 0) return;
    team.wait();  // until the leader, whose scratch the team uses, is done with tiles of its own
    work(tiles[count - rest + team.index()], team);
  }

  void embed(const Batch& batch, int tile, const Team& team) {
    const int width = layout_.width(tile);
    const std::size_t place = static_cast<std::size_t>(tile) * largest_width;
    const Stream<Element>& target = projection_ ? embedded_ : stream_;
    const std::size_t offset = place * embedding_size_;
    if (team.leads()) {
      float* const row = scratch_[team.scratch()].row.data();
      for (int lane = 0; lane < width; ++lane) {
        std::fill_n(row, embedding_size_, 0.0f);
        const int token = layout_.token(tile * largest_width + lane);
        if (token >= 0) add_embeddings(batch, token, row);
        put_lane(row, embedding_size_, width, lane, target.wide(offset));
      }
      normalize(embeddings_.norm, embedding_size_, width, target.wide(offset), target, offset);
    }
    team.wait();
    if (!projection_) return;
    projection_->apply(team, width, embedded_.input(offset),
                       {.partial = stream_.wide(place * hidden_),
                        .wide = stream_.wide(place * hidden_),
                        .narrow = stream_.narrow(place * hidden_)});
    team.wait();
  }

  void normalize(const Norm& norm, int features, int width, const float* sums,
                 const Stream<Element>& target, std::size_t offset) const {
    kernels_.normalize({.sums = sums,
                        .weight = norm.weight.data(),
                        .bias = norm.bias.data(),
                        .epsilon = config_.epsilon,
                        .features = features,
                        .width = width,
                        .wide = target.wide(offset),
                        .narrow = target.narrow(offset)});
  }

  void add_embeddings(const Batch& batch, int token, float* row) const {
    embeddings_.word->add_row(batch.tokens[token], row);
    if (embeddings_.position) embeddings_.position->add_row(batch.positions[token], row);
    if (embeddings_.type) embeddings_.type->add_row(batch.types[token], row);
  }

  void project_inputs(const TiledLayer<Element>& layer, int tile, const Team& team) {
    const int width = layout_.width(tile);
    const std::size_t offset = tile_offset(tile);
    const Element* input = stream_.input(offset);
    const auto project = [&](const BoundAffine<Element>& linear, Element* target) {
      bring_near(target, linear.share(team), width);
      linear.apply(team, width, input, output_to(target, team));
    };
    project(layer.query, queries_.data() + offset);
    project(layer.key, keys_.data() + offset);
    project(layer.value, values_.data() + offset);
  }

  /// One unit of attention. `last` is what this thread did before, or null.
  void attend(const AttentionUnit& unit, const AttentionUnit* last, int thread) {
    const Layout::Sequence& sequence = layout_.sequences()[unit.sequence];
    const int first_tile = sequence.first_lane / largest_width;
    const auto bring_tile_near = [&](const AlignedBuffer<Element>& tiles, int tile) {
      bring_near(tiles.data() + tile_offset(tile),
                 {unit.head * head_size_, (unit.head + 1) * head_size_}, layout_.width(tile));
    };
    bring_tile_near(queries_, unit.tile);
    if (last == nullptr || last->sequence != unit.sequence || last->head != unit.head)
      for (int tile = first_tile; tile * largest_width < sequence.end_lane(); ++tile) {
        bring_tile_near(keys_, tile);
        bring_tile_near(values_, tile);
      }
    Element* const block = queries_.data() + tile_offset(unit.tile);
    kernels_.attention({.queries = block,
                        .context = block,
                        .width = layout_.width(unit.tile),
                        .first_query = unit.lane,
                        .query_lanes = unit.lanes,
                        .keys = keys_.data() + tile_offset(first_tile),
                        .values = values_.data() + tile_offset(first_tile),
                        .tile_stride = tile_offset(1),
                        .last_tile = layout_.tiles() - 1 - first_tile,
                        .last_width = layout_.last_width(),
                        .first_key = sequence.first_lane % largest_width,
                        .key_count = sequence.length,
                        .first_feature = unit.head * head_size_,
                        .head_size = head_size_,
                        .workspace = scratch_[thread].attention.data()});
  }

  /// The rest of a layer, from the context of its attention on: linear, feed-forward, and the
  /// LayerNorm after each. Everything stays with one tile.
  void transform(const TiledLayer<Element>& layer, int tile, const Team& team) {
    const Element* const context = queries_.data() + tile_offset(tile);
    const int width = layout_.width(tile);
    bring_near(context, {0, hidden_}, width);
    bring_near(stream_.wide(tile_offset(tile)), layer.output.share(team), width);
    add_and_normalize(layer.output, context, layer.attention_norm, tile, team);

    Element* const intermediate = scratch_[team.scratch()].intermediate.data();
    Epilogue<Element> activated = output_to(intermediate, team);
    activated.activation = config_.activation;
    layer.up.apply(team, width, stream_.input(tile_offset(tile)), activated);
    team.wait();
    add_and_normalize(layer.down, intermediate, layer.output_norm, tile, team);
  }

  void add_and_normalize(const BoundAffine<Element>& linear, const Element* input, const Norm& norm,
                         int tile, const Team& team) {
    const int width = layout_.width(tile);
    const std::size_t offset = tile_offset(tile);
    float* const stream = stream_.wide(offset);
    linear.apply(team, width, input,
                 {.residual = stream,
                  .partial = scratch_[team.scratch()].partial.data(),
                  .wide = stream});
    team.wait();
    if (team.leads()) normalize(norm, hidden_, width, stream, stream_, offset);
    team.wait();
  }

  void write(const Job& job, int thread, WorkQueue& queue) {
    const auto write_token = [&](int lane, int row) {
      const int tile = lane / largest_width;
      get_lane(stream_.wide(tile_offset(tile)), hidden_, layout_.width(tile), lane % largest_width,
               &job.output[static_cast<std::size_t>(row) * hidden_]);
    };
    if (job.first_only) {
      if (thread != 0) return;
      int row = 0;
      for (const auto& sequence : layout_.sequences()) write_token(sequence.first_lane, row++);
      return;
    }
    queue.drain(layout_.tiles(), [&](int tile) {
      for (int lane = tile * largest_width; lane < (tile + 1) * largest_width; ++lane)
        if (layout_.token(lane) >= 0) write_token(lane, layout_.token(lane));
    });
  }

  /// Where a linear writes what another kernel reads next.
  Epilogue<Element> output_to(Element* target, const Team& team) const {
    if constexpr (std::is_same_v<Element, float>)
      return {.partial = target, .wide = target};
    else
      return {.partial = scratch_[team.scratch()].partial.data(), .narrow = target};
  }

  std::size_t tile_offset(int tile) const {
    return static_cast<std::size_t>(tile) * largest_width * hidden_;
  }

  const Kernels<Element>& kernels_;
  const EncoderConfig config_;
  Embeddings embeddings_;
  std::optional<BoundAffine<Element>> projection_;
  std::vector<TiledLayer<Element>> layers_;
  int embedding_size_ = 0;
  int hidden_ = 0;
  int head_size_ = 0;
  int intermediate_ = 0;

  std::mutex mutex_;  // of all that follows
  Layout layout_;
  ThreadPool pool_;
  Stream<Element> embedded_;  // [tile][embedding_size][width], where there is a projection
  Stream<Element> stream_;    // [tile][hidden][width]
  AlignedBuffer<Element> queries_, keys_, values_;  // likewise; queries turn into contexts in place
  std::vector<Scratch<Element>> scratch_;  // one a thread
  std::vector<WorkQueue> queues_;          // one a phase
};

}  // namespace

template <class Element>
std::unique_ptr<Encoder> make_encoder(const Kernels<Element>& kernels, Embeddings embeddings,
                                      std::vector<Layer> layers, const EncoderConfig& config) {
  return std::make_unique<TiledEncoder<Element>>(kernels, std::move(embeddings), std::move(layers),
                                                 config);
}

template std::unique_ptr<Encoder> make_encoder(const Kernels<float>&, Embeddings,
                                               std::vector<Layer>, const EncoderConfig&);
template std::unique_ptr<Encoder> make_encoder(const Kernels<bfloat16>&, Embeddings,
                                               std::vector<Layer>, const EncoderConfig&);

}  // namespace fineprune
