#pragma once
// One batch on its way through a program, phase by phase.

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <variant>

#include "bound_program.hpp"
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
  Pass(const BoundProgram<Arithmetic>& program, Workspace<Arithmetic>& space, Crew& crew,
       const Batch& batch, bool first_only, std::span<float> output, PhaseClock clock)
      : program_(program),
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
    for (const Phase<Arithmetic>& phase : program_.phases()) {
      const bool first_only = first_only_ && &phase == &program_.phases().back();
      if (phase.attention) {
        attend_all(*phase.attention, first_only, thread, *queue++);
        crew_.wait();
        clock.next();
      }
      const auto& tiles = first_only ? space_.layout.first_tiles() : space_.layout.all_tiles();
      share_tiles(tiles, thread, *queue++, [&](int tile, const Team& team) {
        const Place place = {tile, space_.layout.width(tile), team, space_.scratch[team.scratch()],
                             space_.scratch[thread]};
        for (const TileStep<Arithmetic>& step : phase.steps) {
          if (step.waits) team.wait();
          std::visit([&](const auto& work) { run(work, place); }, step.work);
        }
      });
      crew_.wait();
      clock.next();
    }
    write(thread, *queue);
  }

 private:
  /// Where a step works, and with whom.
  struct Place {
    int tile;
    int width;
    const Team& team;
    const Scratch<Arithmetic>& scratch;  ///< of the team
    const Scratch<Arithmetic>& own;      ///< of this thread
  };

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

  Spot<State> find(int buffer, const Place& place) const {
    if (program_.buffers()[buffer].of_phase) return place.scratch.tiles[buffer].at(0);
    return space_.tiles[buffer].at(place.tile);
  }

  void run(const Gather& gather, const Place& place) const {
    if (!place.team.leads()) return;
    float* const target = find(gather.target, place).wide;
    const int features = program_.features(gather.target);
    float* const row = place.own.row.data();
    for (int lane = 0; lane < place.width; ++lane) {
      std::fill_n(row, features, 0.0f);
      const int token = space_.layout.token(place.tile * largest_width + lane);
      if (token >= 0)
        for (const Lookup& lookup : gather.tables)
          lookup.table->add_row(batch_.ids(lookup.ids)[token], row);
      put_lane(row, features, place.width, lane, target);
    }
  }

  void run(const Normalize& norm, const Place& place) const {
    if (!place.team.leads()) return;
    const Spot<State> target = find(norm.target, place);
    program_.kernels.normalize({.sums = find(norm.source, place).wide,
                                .weight = norm.weight.data(),
                                .bias = norm.bias.data(),
                                .epsilon = norm.epsilon,
                                .features = program_.features(norm.source),
                                .width = place.width,
                                .wide = target.wide,
                                .narrow = target.narrow});
  }

  void run(const Quantize& quantize, const Place& place) const {
    if constexpr (is_int8<Arithmetic>) {
      if (!place.team.leads()) return;
      const Spot<State> source = find(quantize.source, place);
      const int features = program_.features(quantize.source);
      const CodeTiles& codes = place.scratch.codes;
      if (source.wide != nullptr)
        program_.kernels.own.quantize_floats(codes.task(0, source.wide, features, place.width));
      else
        quantize_state(codes, source.state, quantize.is_far, features, place.width);
    }
  }

  void quantize_state(const CodeTiles& codes, const State* state, bool is_far, int features,
                      int width) const {
    if (is_far) bring_near(state, {0, features}, width);
    program_.kernels.own.quantize_state(codes.task(0, state, features, width));
  }

  void run(const Apply<Arithmetic>& apply, const Place& place) const {
    const Spot<State> source = find(apply.source, place), target = find(apply.target, place);
    const RowRange share = apply.affine.share(place.team);
    if (apply.source_is_far)
      bring_near(source.state, {0, program_.features(apply.source)}, place.width);
    if (apply.target_is_far && target.wide != nullptr)
      bring_near(target.wide, share, place.width);
    else if (apply.target_is_far)
      bring_near(target.state, share, place.width);
    apply.affine.apply(place.team, place.width, input_of(source, place),
                       epilogue_of(apply, target, place));
  }

  InputTile<Arithmetic> input_of(const Spot<State>& source, const Place& place) const {
    if constexpr (is_int8<Arithmetic>)
      return place.scratch.codes.input(0, source.state);
    else
      return {source.state};
  }

  /// Sums of a row that come in parts wait in the target, where it is in float32 and free.
  Epilogue<State> epilogue_of(const Apply<Arithmetic>& apply, const Spot<State>& target,
                              const Place& place) const {
    Epilogue<State> epilogue = {.activation = apply.activation, .partial = place.own.partial.data()};
    if (target.wide != nullptr) {
      epilogue.wide = target.wide;
      if (apply.adds)
        epilogue.residual = target.wide;
      else
        epilogue.partial = target.wide;
      if (apply.narrows) epilogue.narrow = target.narrow;
    } else if constexpr (std::is_same_v<State, float>) {
      epilogue.partial = epilogue.wide = target.state;
    } else {
      epilogue.narrow = target.state;
    }
    return epilogue;
  }

  void run(const Multiply& multiply, const Place& place) const {
    program_.kernels.multiply({.rows = part(program_.features(multiply.target), place.team),
                               .width = place.width,
                               .source = find(multiply.source, place).state,
                               .target = find(multiply.target, place).state});
  }

  void run(const Rotate& rotate, const Place& place) const {
    program_.kernels.rotate({.heads = part(rotate.heads, place.team),
                             .head_size = program_.features(rotate.target) / rotate.heads,
                             .width = place.width,
                             .angles = find(rotate.angles, place).wide,
                             .target = find(rotate.target, place).state});
  }

  void run(const Neighbours& neighbours, const Place& place) const {
    const int width = neighbours.width, middle = width / 2;
    const RowRange rows = part(program_.features(neighbours.source), place.team);
    State* const target = find(neighbours.target, place).state;
    for (int lane = 0; lane < place.width; ++lane)
      for (int n = 0; n < width; ++n) {
        const int other = neighbour(place.tile * largest_width + lane, n - middle);
        for (int row = rows.begin; row < rows.end; ++row) {
          const std::size_t feature = static_cast<std::size_t>(row) * width + n;
          put(other < 0 ? 0.0f : number_of(neighbours.source, row, other),
              target[feature * place.width + lane]);
        }
      }
  }

  /// A feature of a stream, in a lane of all lanes.
  float number_of(int buffer, int feature, int lane) const {
    const int tile = lane / largest_width;
    const std::size_t row = static_cast<std::size_t>(feature) * space_.layout.width(tile);
    return space_.tiles[buffer].at(tile).wide[row + lane % largest_width];
  }

  /// The lane of the token that stands so far behind that of a lane, in its sequence; or -1.
  int neighbour(int lane, int distance) const {
    if (space_.layout.token(lane) < 0) return -1;
    const Layout::Sequence& sequence = space_.layout.sequence_of(lane);
    std::int64_t index = lane - sequence.first_lane;
    if (const std::int32_t* const places = places_of(sequence)) {
      const std::int64_t wanted = std::int64_t{places[index]} + distance;
      const std::int32_t* const end = places + sequence.length;
      const std::int32_t* const found = std::lower_bound(places, end, wanted);
      if (found == end || *found != wanted) return -1;
      index = found - places;
    } else {
      index += distance;
    }
    const bool is_there = index >= 0 && index < sequence.length;
    return is_there ? sequence.first_lane + static_cast<int>(index) : -1;
  }

  /// A member's part of so many rows.
  static RowRange part(int rows, const Team& team) {
    return {rows * team.member() / team.members(), rows * (team.member() + 1) / team.members()};
  }

  void attend_all(const Attend& attention, bool first_only, int thread, WorkQueue& queue) const {
    const auto& units = first_only ? space_.layout.first_units() : space_.layout.units();
    const AttentionUnit* last = nullptr;
    queue.drain_runs(static_cast<int>(units.size()), crew_.threads(), [&](int unit) {
      attend(attention, units[unit], last, thread);
      last = &units[unit];
    });
  }

  /// One unit of attention. `last` is what this thread did before, or null.
  void attend(const Attend& attention, const AttentionUnit& unit, const AttentionUnit* last,
              int thread) const {
    const Layout::Sequence& sequence = space_.layout.sequences()[unit.sequence];
    const Tiles<State>&queries = space_.tiles[attention.queries],
          &keys = space_.tiles[attention.keys], &values = space_.tiles[attention.values];
    const int head_size = attention.head_size;
    const RowRange rows = {unit.head * head_size, (unit.head + 1) * head_size};
    const int width = space_.layout.width(unit.tile);
    State* const block = queries.at(unit.tile).state;
    // The unit's own lanes only: next to them another thread may write its contexts.
    for (int row = rows.begin; row < rows.end; ++row) {
      const State* const first = block + static_cast<std::size_t>(row) * width + unit.lane;
      bring_near(first, first + unit.lanes);
    }
    const int query = unit.tile * largest_width + unit.lane - sequence.first_lane;
    const Tokens seen = tokens_seen(attention, query, unit.lanes, sequence.length);
    const int first_lane = sequence.first_lane + seen.first;
    const int first_tile = first_lane / largest_width;
    if (attention.window > 0 || last == nullptr || last->sequence != unit.sequence ||
        last->head != unit.head)
      for (int tile = first_tile; tile * largest_width < first_lane + seen.count; ++tile)
        for (const auto* tiles : {&keys, &values})
          bring_near(tiles->at(tile).state, rows, space_.layout.width(tile));
    const std::int32_t* const places = places_of(sequence);
    program_.kernels.attention({.queries = block,
                                .context = block,
                                .width = width,
                                .first_query = unit.lane,
                                .query_lanes = unit.lanes,
                                .query_token = query - seen.first,
                                .keys = keys.at(first_tile).state,
                                .values = values.at(first_tile).state,
                                .tile_stride = queries.stride(),
                                .last_tile = space_.layout.tiles() - 1 - first_tile,
                                .last_width = space_.layout.last_width(),
                                .first_key = first_lane % largest_width,
                                .key_count = seen.count,
                                .first_feature = rows.begin,
                                .head_size = head_size,
                                .scale = attention.scale,
                                .bias = attention.bias_of(unit.head),
                                .distances = attention.distances_of(unit.head),
                                .places = places == nullptr ? nullptr : places + seen.first,
                                .workspace = space_.scratch[thread].attention.data()});
  }

  struct Tokens {
    int first;  ///< a multiple of 16
    int count;
  };

  /// Of a sequence, what queries in so many lanes may attend to. Where tokens are missing between
  /// others, these are only farther apart than they stand.
  static Tokens tokens_seen(const Attend& attention, int query, int lanes, int length) {
    if (attention.window == 0) return {0, length};
    const int first = std::max(0, query - attention.window) / lane_multiple * lane_multiple;
    return {first, std::min(length, query + lanes + attention.window) - first};
  }

  /// Of a sequence's tokens, unless they stand one after another.
  const std::int32_t* places_of(const Layout::Sequence& sequence) const {
    if (batch_.places.empty()) return nullptr;
    return batch_.places.data() + space_.layout.token(sequence.first_lane);
  }

  void write(int thread, WorkQueue& queue) {
    const Tiles<State>& stream = space_.tiles[program_.output()];
    const int hidden = program_.hidden();
    const auto write_token = [&](int lane, int row) {
      const int tile = lane / largest_width;
      get_lane(stream.at(tile).wide, hidden, space_.layout.width(tile), lane % largest_width,
               &output_[static_cast<std::size_t>(row) * hidden]);
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

  const BoundProgram<Arithmetic>& program_;
  Workspace<Arithmetic>& space_;
  Crew& crew_;
  const Batch& batch_;
  const bool first_only_;
  const std::span<float> output_;
  const PhaseClock clock_;
};

}  // namespace fineprune
