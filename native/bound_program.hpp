#pragma once
// A program as it runs, checked once and never changed: any number of calls share it.
//
// Attention needs all tokens of a sequence, all other steps one tile of tokens. So a program is cut
// into phases: each begins with an attention, but the first one, and the rest of it stays with a tile.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bound_affine.hpp"
#include "dataflow.hpp"
#include "encoder.hpp"
#include "program.hpp"
#include "require.hpp"

namespace fineprune {

struct Gather {
  int target;
  std::vector<Lookup> tables;
};

struct Normalize {
  int source, target;
  std::vector<float> weight, bias;
  float epsilon;
};

/// Makes codes of a buffer, which linears of 8 bits read.
struct Quantize {
  int source;
  bool is_far;  ///< whether another phase has written it
};

template <class Arithmetic>
struct Apply {
  int source, target;
  BoundAffine<Arithmetic> affine;
  Activation activation;
  bool adds;
  bool narrows;  ///< whether a linear reads what is written, before anything else is
  bool source_is_far, target_is_far;
};

struct Multiply {
  int source, target;
};

struct Rotate {
  int target, angles, heads;
};

struct Neighbours {
  int source, target, width;
};

struct Attend {
  int queries, keys, values;
  int head_size;
  float scale;
  int window;
  std::vector<float> bias;  ///< before scaling, [heads][2 * reach + 1], or of all heads together
  int reach;
  bool bias_of_each_head;
  DistanceFeatures distances;
  std::size_t features;  ///< of all heads

  DistanceBias bias_of(int head) const {
    if (bias.empty()) return {};
    const std::size_t size = 2 * static_cast<std::size_t>(reach) + 1;
    return {bias.data() + (bias_of_each_head ? head * size : 0), reach};
  }

  DistanceRows distances_of(int head) const {
    if (distances.rows.empty()) return {};
    const auto of_head = [&](const std::vector<float>& table) {
      return table.empty() ? nullptr : table.data() + static_cast<std::size_t>(head) * head_size;
    };
    return {distances.rows.data(), static_cast<int>(distances.rows.size() / 2),
            of_head(distances.keys), of_head(distances.queries), features};
  }
};

template <class Arithmetic>
struct TileStep {
  std::variant<Gather, Normalize, Quantize, Apply<Arithmetic>, Multiply, Rotate, Neighbours> work;
  bool waits;  ///< whether a team must have done all before it
};

template <class Arithmetic>
struct Phase {
  std::optional<Attend> attention;
  std::vector<TileStep<Arithmetic>> steps;
};

/// What steps of a team have touched since its members last waited for each other.
class TeamHazards {
 public:
  /// Whether a step has to wait for others, which then are forgotten. Steps of the leader do not wait
  /// for each other.
  bool waits(const std::vector<Access>& accesses, bool by_leader) {
    bool conflict = false;
    for (const Access& access : accesses)
      for (const auto& [before, was_by_leader] : pending_)
        conflict = conflict || (before.buffer == access.buffer && (before.writes || access.writes) &&
                                !(was_by_leader && by_leader));
    if (conflict) pending_.clear();
    for (const Access& access : accesses) pending_.emplace_back(access, by_leader);
    return conflict;
  }
  void clear() { pending_.clear(); }

 private:
  std::vector<std::pair<Access, bool>> pending_;
};

template <class Arithmetic>
class BoundProgram {
 public:
  /// Throws std::invalid_argument where parts do not fit together.
  BoundProgram(const Kernels<Arithmetic>& kernels, Program program)
      : kernels(kernels), flow_(program), narrow_(flow_.buffers().size(), false) {
    phases_.emplace_back();
    for (std::size_t index = 0; index < program.steps.size(); ++index) {
      const bool narrows = is_read_by_linear(program, index);
      std::visit([&](auto& step) { bind(step, index, narrows); }, program.steps[index]);
    }
  }

  const Kernels<Arithmetic>& kernels;

  const std::vector<Buffer>& buffers() const { return flow_.buffers(); }
  int output() const { return flow_.output(); }
  int heads() const { return flow_.heads(); }
  const std::vector<Phase<Arithmetic>>& phases() const { return phases_; }
  int features(int buffer) const { return buffers()[buffer].features; }
  int hidden() const { return features(output()); }

  /// Whether a stream has a copy in the type of activations, because a linear reads that.
  bool has_narrow(int buffer) const { return narrow_[buffer]; }

  int widest_buffer() const {
    return std::max_element(buffers().begin(), buffers().end(), [](const auto& a, const auto& b) {
             return a.features < b.features;
           })->features;
  }
  int largest_head() const { return largest_head_; }
  bool has_distance_rows() const { return has_distance_rows_; }

  /// Throws std::invalid_argument for ids outside of their tables, empty sequences, lengths that do
  /// not sum to the tokens, and places that do not ascend.
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
    check_ids(batch, Ids::tokens, "tokens");
    check_ids(batch, Ids::positions, "positions");
    check_ids(batch, Ids::types, "types");
    if (!batch.places.empty()) check_places(batch);
  }

 private:
  using Accesses = std::vector<Access>;

  int codes() const { return static_cast<int>(buffers().size()); }  ///< as if they were a buffer

  static bool is_read_by_linear(const Program& program, std::size_t index) {
    const auto* const writer = std::get_if<LinearStep>(&program.steps[index]);
    if (writer == nullptr) return false;
    for (++index; index < program.steps.size(); ++index) {
      const Step& step = program.steps[index];
      if (const auto* const linear = std::get_if<LinearStep>(&step)) {
        if (linear->source == writer->target) return true;
        if (linear->target == writer->target) return false;
      }
      if (const auto* const norm = std::get_if<NormalizeStep>(&step))
        if (norm->target == writer->target) return false;
    }
    return false;
  }

  void bind(GatherStep& step, std::size_t index, bool) {
    for (const Lookup& lookup : step.tables) {
      int& rows = rows_[static_cast<std::size_t>(lookup.ids)];
      rows = std::min(rows, lookup.table->rows());
    }
    add(Gather{find(step.target), std::move(step.tables)}, flow_.accesses()[index], true);
  }

  void bind(NormalizeStep& step, std::size_t index, bool) {
    add(Normalize{find(step.source), find(step.target), std::move(step.weight),
                  std::move(step.bias), step.epsilon},
        flow_.accesses()[index], true);
  }

  void bind(LinearStep& step, std::size_t index, bool narrows) {
    const int source = find(step.source), target = find(step.target);
    const std::string name = step.source + " to " + step.target;
    BoundAffine<Arithmetic> affine(std::move(step.affine), name, features(target),
                                   features(source));
    const bool reads_state = !is_int8<Arithmetic> || affine.is_exact();
    if (reads_state)
      narrow_[source] = true;
    else if (coded_ != source)
      quantize(source);
    Accesses accesses = flow_.accesses()[index];
    if (!reads_state) accesses.front().buffer = codes();
    const bool source_is_far = reads_state && is_far(source), target_is_far = is_far(target);
    add(Apply<Arithmetic>{source, target, std::move(affine), step.activation, step.adds, narrows,
                          source_is_far, target_is_far},
        accesses, false);
  }

  void bind(MultiplyStep& step, std::size_t index, bool) {
    add(Multiply{find(step.source), find(step.target)}, flow_.accesses()[index], false);
  }

  void bind(RotateStep& step, std::size_t index, bool) {
    add(Rotate{find(step.target), find(step.angles), step.heads}, flow_.accesses()[index], false);
  }

  void bind(NeighboursStep& step, std::size_t index, bool) {
    add(Neighbours{find(step.source), find(step.target), step.width}, flow_.accesses()[index], false);
  }

  void bind(AttentionStep& step, std::size_t, bool) {
    const int queries = find(step.queries);
    const int head_size = features(queries) / step.heads;
    largest_head_ = std::max(largest_head_, head_size);
    const bool of_each = !step.bias.empty();
    std::vector<float> bias = of_each ? std::move(step.bias) : window_as_bias(step.window);
    const std::size_t rows = of_each ? static_cast<std::size_t>(step.heads) : 1;
    const float root = std::sqrt(static_cast<float>(head_size) * static_cast<float>(step.terms));
    for (float& number : bias) number *= root;
    const int reach = static_cast<int>(bias.size() / rows / 2);
    has_distance_rows_ = has_distance_rows_ || !step.distances.rows.empty();
    phases_.push_back({Attend{queries, find(step.keys), find(step.values), head_size, 1.0f / root,
                              step.window, std::move(bias), reach, of_each,
                              std::move(step.distances),
                              static_cast<std::size_t>(features(queries))},
                       {}});
    touched_.clear();
    coded_ = -1;
    hazards_.clear();
  }

  /// Nothing is added to scores within it, and minus infinity beyond.
  static std::vector<float> window_as_bias(int window) {
    if (window == 0) return {};
    std::vector<float> bias(2 * static_cast<std::size_t>(window) + 3, 0.0f);
    bias.front() = bias.back() = -std::numeric_limits<float>::infinity();
    return bias;
  }

  void quantize(int source) {
    const Quantize work{source, is_far(source)};
    add(work, {{source, true, false}, {codes(), false, true}}, true);
    coded_ = source;
  }

  template <class Work>
  void add(Work work, const Accesses& accesses, bool by_leader) {
    const bool waits = hazards_.waits(accesses, by_leader);
    for (const Access& access : accesses) {
      touched_.push_back(access.buffer);
      if (access.writes && access.buffer == coded_) coded_ = -1;
    }
    phases_.back().steps.push_back({std::move(work), waits});
  }

  /// Whether another phase, perhaps another core, has left a buffer.
  bool is_far(int buffer) const {
    return !buffers()[buffer].of_phase &&
           std::find(touched_.begin(), touched_.end(), buffer) == touched_.end();
  }

  int find(const std::string& name) const { return flow_.find(name); }

  void check_ids(const Batch& batch, Ids kind, const char* name) const {
    const auto ids = batch.ids(kind);
    if (ids.size() != batch.tokens.size())
      refuse("expected " + std::to_string(batch.tokens.size()) + " " + name + ", got " +
             std::to_string(ids.size()));
    const int rows = rows_[static_cast<std::size_t>(kind)];
    if (rows == unread) return;
    for (const std::int32_t id : ids)
      if (id < 0 || id >= rows)
        refuse(std::string(name) + " must be from 0 to " + std::to_string(rows - 1) + ", got " +
               std::to_string(id));
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

  static constexpr int unread = std::numeric_limits<int>::max();

  const Dataflow flow_;
  std::vector<bool> narrow_;
  std::vector<Phase<Arithmetic>> phases_;
  std::array<int, 3> rows_ = {unread, unread, unread};  ///< of the smallest table of each kind of ids
  int largest_head_ = 0;
  bool has_distance_rows_ = false;
  // While steps are bound, of the phase so far.
  std::vector<int> touched_;
  int coded_ = -1;  ///< the buffer that there are codes of
  TeamHazards hazards_;
};

}  // namespace fineprune
