#pragma once
// One batch on its way through an encoder, phase by phase.

#include <algorithm>
#include <span>
#include <type_traits>

#include "encoder_weights.hpp"
#include "phase_clock.hpp"
#include "thread_pool.hpp"
#include "tiles.hpp"
#include "workspace.hpp"

namespace fineprune {

template <class Arithmetic>
class Pass {
  using State = typename Arithmetic::State;

 public:
  /// The workspace is prepared for the batch and for as many threads as the crew has.
  Pass(const EncoderWeights<Arithmetic>& weights, Workspace<Arithmetic>& space, Crew& crew,
       const Batch& batch, bool first_only, std::span<float> output, PhaseClock clock)
      : weights_(weights),
        space_(space),
        crew_(crew),
        batch_(batch),
        first_only_(first_only),
        output_(output),
        clock_(clock) {}

  /// What one thread of the crew does. All of them must.
  void forward(int thread) {
    PhaseClock clock = thread == 0 ? clock_ : PhaseClock();
    clock.start();
    auto queue = space_.queues.begin();
    const auto& tiles = space_.layout.all_tiles();
    share_tiles(tiles, thread, *queue++, [&](int tile, const Team& team) {
      embed(tile, team);
      project_inputs(weights_.layers.front(), tile, team);
    });
    crew_.wait();
    clock.next();
    for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
      const bool last = i + 1 == weights_.layers.size();
      const bool first_only = last && first_only_;
      const auto& units = first_only ? space_.layout.first_units() : space_.layout.units();
      const AttentionUnit* last_unit = nullptr;
      queue++->drain_runs(static_cast<int>(units.size()), crew_.threads(), [&](int unit) {
        attend(units[unit], last_unit, thread);
        last_unit = &units[unit];
      });
      crew_.wait();
      clock.next();
      share_tiles(first_only ? space_.layout.first_tiles() : tiles, thread, *queue++,
                  [&](int tile, const Team& team) {
                    transform(weights_.layers[i], tile, team);
                    if (!last) project_inputs(weights_.layers[i + 1], tile, team);
                  });
      crew_.wait();
      clock.next();
    }
    write(thread, *queue);
  }

 private:
  /// Whole tiles go to whichever thread is free. The last ones, too few for all threads, are done
  /// by teams, each of which splits the rows of one tile.
  template <class Work>
  void share_tiles(const std::vector<int>& tiles, int thread, WorkQueue& queue, const Work& work) {
    const int threads = crew_.threads();
    const int count = static_cast<int>(tiles.size());
    const int rest = count % threads;
    queue.drain(count - rest, [&](int index) { work(tiles[index], Team::alone(thread)); });
    if (rest == 0) return;
    const Team team = crew_.team(thread, rest);
    if (team.members() == 0) return;
    team.wait();  // until the leader, whose scratch the team uses, is done with tiles of its own
    work(tiles[count - rest + team.index()], team);
  }

  void embed(int tile, const Team& team) {
    const int width = space_.layout.width(tile);
    const Stream<Arithmetic>& target = weights_.projection ? space_.embedded : space_.stream;
    if (team.leads()) {
      float* const row = space_.scratch[team.scratch()].row.data();
      for (int lane = 0; lane < width; ++lane) {
        std::fill_n(row, weights_.embedding_size, 0.0f);
        const int token = space_.layout.token(tile * largest_width + lane);
        if (token >= 0) add_embeddings(token, row);
        put_lane(row, weights_.embedding_size, width, lane, target.wide(tile));
      }
      normalize(weights_.embeddings.norm, weights_.embedding_size, target, tile);
    }
    team.wait();
    if (!weights_.projection) return;
    float* const projected = space_.stream.wide(tile);
    weights_.projection->apply(
        team, width, space_.embedded.input(tile),
        {.partial = projected, .wide = projected, .narrow = space_.stream.narrow(tile)});
    team.wait();
    if constexpr (is_int8<Arithmetic>) {
      if (team.leads()) space_.stream.quantize(weights_.kernels, tile, width);
      team.wait();
    }
  }

  /// LayerNorm of a tile of hidden states, in place, and whatever linears read of it.
  void normalize(const Norm& norm, int features, const Stream<Arithmetic>& stream,
                 int tile) const {
    const int width = space_.layout.width(tile);
    weights_.kernels.normalize({.sums = stream.wide(tile),
                                .weight = norm.weight.data(),
                                .bias = norm.bias.data(),
                                .epsilon = weights_.epsilon,
                                .features = features,
                                .width = width,
                                .wide = stream.wide(tile),
                                .narrow = stream.narrow(tile)});
    stream.quantize(weights_.kernels, tile, width);
  }

  void add_embeddings(int token, float* row) const {
    const Embeddings& tables = weights_.embeddings;
    tables.word->add_row(batch_.tokens[token], row);
    if (tables.position) tables.position->add_row(batch_.positions[token], row);
    if (tables.type) tables.type->add_row(batch_.types[token], row);
  }

  void project_inputs(const TiledLayer<Arithmetic>& layer, int tile, const Team& team) {
    const int width = space_.layout.width(tile);
    const std::size_t offset = tile_offset(tile);
    const InputTile<Arithmetic> input = space_.stream.input(tile);
    const auto project = [&](const BoundAffine<Arithmetic>& linear, State* target) {
      bring_near(target, linear.share(team), width);
      linear.apply(team, width, input, output_to(target, team));
    };
    project(layer.query, space_.queries.data() + offset);
    project(layer.key, space_.keys.data() + offset);
    project(layer.value, space_.values.data() + offset);
  }

  /// One unit of attention. `last` is what this thread did before, or null.
  void attend(const AttentionUnit& unit, const AttentionUnit* last, int thread) {
    const Layout::Sequence& sequence = space_.layout.sequences()[unit.sequence];
    const int first_tile = sequence.first_lane / largest_width;
    const RowRange rows = {unit.head * weights_.head_size, (unit.head + 1) * weights_.head_size};
    const int width = space_.layout.width(unit.tile);
    State* const block = space_.queries.data() + tile_offset(unit.tile);
    // The unit's own lanes only: next to them another thread may write its contexts.
    for (int row = rows.begin; row < rows.end; ++row) {
      const State* const first = block + static_cast<std::size_t>(row) * width + unit.lane;
      bring_near(first, first + unit.lanes);
    }
    if (last == nullptr || last->sequence != unit.sequence || last->head != unit.head)
      for (int tile = first_tile; tile * largest_width < sequence.end_lane(); ++tile)
        for (const auto* tiles : {&space_.keys, &space_.values})
          bring_near(tiles->data() + tile_offset(tile), rows, space_.layout.width(tile));
    weights_.kernels.attention({.queries = block,
                                .context = block,
                                .width = width,
                                .first_query = unit.lane,
                                .query_lanes = unit.lanes,
                                .query_token = unit.tile * largest_width + unit.lane -
                                               sequence.first_lane,
                                .keys = space_.keys.data() + tile_offset(first_tile),
                                .values = space_.values.data() + tile_offset(first_tile),
                                .tile_stride = tile_offset(1),
                                .last_tile = space_.layout.tiles() - 1 - first_tile,
                                .last_width = space_.layout.last_width(),
                                .first_key = sequence.first_lane % largest_width,
                                .key_count = sequence.length,
                                .first_feature = rows.begin,
                                .head_size = weights_.head_size,
                                .bias = weights_.bias_of(unit.head),
                                .places = places_of(sequence),
                                .workspace = space_.scratch[thread].attention.data()});
  }

  /// Of a sequence's tokens, unless they stand one after another.
  const std::int32_t* places_of(const Layout::Sequence& sequence) const {
    if (batch_.places.empty()) return nullptr;
    return batch_.places.data() + space_.layout.token(sequence.first_lane);
  }

  /// The rest of a layer, from the context of its attention on: linear, feed-forward, and the
  /// LayerNorm after each. Everything stays with one tile.
  void transform(const TiledLayer<Arithmetic>& layer, int tile, const Team& team) {
    const State* const context = space_.queries.data() + tile_offset(tile);
    const int width = space_.layout.width(tile);
    bring_near(context, {0, weights_.hidden}, width);
    bring_near(space_.stream.wide(tile), layer.output.share(team), width);
    add_and_normalize(layer.output, input_of(layer.output, context, weights_.hidden, width, team),
                      layer.attention_norm, tile, team);

    State* const intermediate = space_.scratch[team.scratch()].intermediate.data();
    Epilogue<State> activated = output_to(intermediate, team);
    activated.activation = weights_.activation;
    layer.up.apply(team, width, space_.stream.input(tile), activated);
    team.wait();
    add_and_normalize(layer.down, input_of(layer.down, intermediate, layer.up.rows(), width, team),
                      layer.output_norm, tile, team);
  }

  /// What a linear reads of states that other kernels have left.
  InputTile<Arithmetic> input_of(const BoundAffine<Arithmetic>& linear, const State* state,
                                 int features, int width, const Team& team) const {
    if constexpr (is_int8<Arithmetic>) {
      const CodeTiles& codes = space_.scratch[team.scratch()].codes;
      if (!linear.is_exact()) {
        if (team.leads())
          weights_.kernels.own.quantize_state(codes.task(0, state, features, width));
        team.wait();
      }
      return codes.input(0, state);
    } else {
      return {state};
    }
  }

  void add_and_normalize(const BoundAffine<Arithmetic>& linear, const InputTile<Arithmetic>& input,
                         const Norm& norm, int tile, const Team& team) {
    const int width = space_.layout.width(tile);
    float* const stream = space_.stream.wide(tile);
    linear.apply(team, width, input,
                 {.residual = stream,
                  .partial = space_.scratch[team.scratch()].partial.data(),
                  .wide = stream});
    team.wait();
    if (team.leads()) normalize(norm, weights_.hidden, space_.stream, tile);
    team.wait();
  }

  void write(int thread, WorkQueue& queue) {
    const auto write_token = [&](int lane, int row) {
      const int tile = lane / largest_width;
      get_lane(space_.stream.wide(tile), weights_.hidden, space_.layout.width(tile),
               lane % largest_width, &output_[static_cast<std::size_t>(row) * weights_.hidden]);
    };
    if (first_only_) {
      if (thread != 0) return;
      int row = 0;
      for (const auto& sequence : space_.layout.sequences())
        write_token(sequence.first_lane, row++);
      return;
    }
    queue.drain(space_.layout.tiles(), [&](int tile) {
      for (int lane = tile * largest_width; lane < (tile + 1) * largest_width; ++lane)
        if (space_.layout.token(lane) >= 0) write_token(lane, space_.layout.token(lane));
    });
  }

  /// Where a linear writes what another kernel reads next.
  Epilogue<State> output_to(State* target, const Team& team) const {
    if constexpr (std::is_same_v<State, float>)
      return {.partial = target, .wide = target};
    else
      return {.partial = space_.scratch[team.scratch()].partial.data(), .narrow = target};
  }

  std::size_t tile_offset(int tile) const {
    return static_cast<std::size_t>(tile) * largest_width * weights_.hidden;
  }

  const EncoderWeights<Arithmetic>& weights_;
  Workspace<Arithmetic>& space_;
  Crew& crew_;
  const Batch& batch_;
  const bool first_only_;
  const std::span<float> output_;
  const PhaseClock clock_;
};

}  // namespace fineprune
