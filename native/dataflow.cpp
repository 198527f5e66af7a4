#include "dataflow.hpp"

#include <cmath>
#include <type_traits>

#include "kernels.hpp"
#include "require.hpp"

namespace fineprune {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

constexpr int any_size = 0;

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

int divided(int features, int heads, const std::string& what) {
  require(heads > 0 && features % heads == 0,
          what + " of size " + std::to_string(features) + " cannot have " + std::to_string(heads) +
              " heads");
  return features / heads;
}

void check_biases(const AttentionStep& step) {
  const std::size_t heads = static_cast<std::size_t>(step.heads), all = step.bias.size();
  require(all % heads == 0 && (all == 0 || all / heads % 2 == 1),
          "biases of " + std::to_string(heads) + " heads must be of as many distances before a key "
          "as behind it, got " + std::to_string(all));
  require(step.window >= 0 && step.window < 1 << 20,
          "a window must be 0 or more tokens, got " + std::to_string(step.window));
  require(step.window == 0 || step.bias.empty(), "attention has a window or biases, not both");
  require(step.terms > 0, "scores must be sums of at least one product");
}

void check_distances(const DistanceFeatures& distances, int features) {
  const bool has_tables = !distances.keys.empty() || !distances.queries.empty();
  require(distances.rows.empty() != has_tables, "rows by distance need tables, and these need rows");
  require(!has_tables || distances.rows.size() % 2 == 1,
          "rows must be of as many distances before a key as behind it, got " +
              std::to_string(distances.rows.size()));
  for (const auto* table : {&distances.keys, &distances.queries}) {
    if (table->empty()) continue;
    const std::size_t rows = table->size() / static_cast<std::size_t>(features);
    require(table->size() == rows * features,
            "features of distances must be " + std::to_string(features) + " a row");
    for (const std::int32_t row : distances.rows)
      if (row < 0 || static_cast<std::size_t>(row) >= rows)
        refuse("rows by distance must be from 0 to " + std::to_string(rows - 1) + ", got " +
               std::to_string(row));
  }
}

}  // namespace

Dataflow::Dataflow(const Program& program) {
  for (const Step& step : program.steps) add(step);
  require(numbers_.contains(program.output),
          "nothing is written to the output " + quoted(program.output));
  output_ = find(program.output);
  require(buffers_[output_].is_stream, "the output " + quoted(program.output) +
                                           " must be normalized, or gathered");
  require(heads_ > 0, "an encoder needs attention");
  for (const Step& step : program.steps) require_kinds(step);
  find_short_lived(program);
  require_neighbours(program);
}

int Dataflow::read(const std::string& name, int features) {
  const auto found = numbers_.find(name);
  require(found != numbers_.end(), quoted(name) + " is read before anything is written to it");
  const int size = buffers_[found->second].features;
  if (features != any_size && size != features)
    refuse(quoted(name) + " is of size " + std::to_string(size) + ", expected " +
           std::to_string(features));
  return found->second;
}

int Dataflow::write(const std::string& name, int features, bool is_stream) {
  require(features > 0, quoted(name) + " must have a size");
  const auto [place, is_new] = numbers_.try_emplace(name, static_cast<int>(buffers_.size()));
  if (is_new) buffers_.push_back({name, features});
  const int buffer = read(name, features);
  buffers_[buffer].is_stream = buffers_[buffer].is_stream || is_stream;
  return buffer;
}

void Dataflow::add(const Step& step) {
  std::vector<Access> found;
  const auto reads = [&](int buffer) { found.push_back({buffer, true, false}); };
  const auto writes = [&](int buffer) { found.push_back({buffer, false, true}); };
  const auto changes = [&](int buffer) { found.push_back({buffer, true, true}); };
  std::visit(
      Overloaded{
          [&](const GatherStep& gather) {
            require(!gather.tables.empty(), quoted(gather.target) + " is gathered from no table");
            for (const Lookup& lookup : gather.tables)
              require(lookup.table != nullptr, quoted(gather.target) + " needs its tables");
            const int features = gather.tables.front().table->columns();
            for (const Lookup& lookup : gather.tables)
              require(lookup.table->columns() == features,
                      "tables of " + quoted(gather.target) + " must have " +
                          std::to_string(features) + " columns, got " +
                          std::to_string(lookup.table->columns()));
            writes(write(gather.target, features, true));
          },
          [&](const NormalizeStep& norm) {
            const int source = read(norm.source, any_size), features = buffers_[source].features;
            buffers_[source].is_stream = true;
            const auto size = static_cast<std::size_t>(features);
            require(norm.weight.size() == size && norm.bias.size() == size,
                    "the norm of " + quoted(norm.source) + " needs " + std::to_string(size) +
                        " weights and biases, got " + std::to_string(norm.weight.size()) + " and " +
                        std::to_string(norm.bias.size()));
            require(std::isfinite(norm.epsilon) && norm.epsilon >= 0.0f,
                    "the epsilon of a norm must be a small number");
            if (norm.source != norm.target) reads(source);
            const int target = write(norm.target, features, true);
            norm.source == norm.target ? changes(target) : writes(target);
          },
          [&](const LinearStep& linear) {
            require(linear.affine.weight != nullptr, quoted(linear.target) + " needs a matrix");
            require(linear.source != linear.target,
                    quoted(linear.target) + " cannot be computed in its own place");
            reads(read(linear.source, linear.affine.weight->columns()));
            const int rows = linear.affine.weight->rows();
            if (linear.adds) read(linear.target, rows);
            const int target = write(linear.target, rows, linear.adds);
            linear.adds ? changes(target) : writes(target);
          },
          [&](const MultiplyStep& multiply) {
            const int target = read(multiply.target, any_size);
            reads(read(multiply.source, buffers_[target].features));
            changes(target);
          },
          [&](const RotateStep& rotate) {
            const int target = read(rotate.target, any_size);
            const int size = divided(buffers_[target].features, rotate.heads, quoted(rotate.target));
            require(size % 2 == 0, "heads of size " + std::to_string(size) + " have no halves");
            reads(read(rotate.angles, size));
            changes(target);
          },
          [&](const NeighboursStep& neighbours) {
            const int source = read(neighbours.source, any_size);
            require(neighbours.width > 0 && neighbours.width % 2 == 1 && neighbours.width < 256,
                    "a token and its neighbours are an odd number of tokens below 256, got " +
                        std::to_string(neighbours.width));
            reads(source);
            writes(write(neighbours.target, buffers_[source].features * neighbours.width));
          },
          [&](const AttentionStep& attention) {
            const int queries = read(attention.queries, any_size);
            const int features = buffers_[queries].features;
            divided(features, attention.heads, quoted(attention.queries));
            require(heads_ == 0 || heads_ == attention.heads,
                    "attention of " + std::to_string(attention.heads) + " heads after one of " +
                        std::to_string(heads_));
            heads_ = attention.heads;
            check_biases(attention);
            check_distances(attention.distances, features);
            require(attention.queries != attention.keys && attention.queries != attention.values,
                    "queries need a buffer of their own");
            reads(read(attention.keys, features));
            reads(read(attention.values, features));
            changes(queries);
          }},
      step);
  accesses_.push_back(std::move(found));
}

/// Streams are what norms read and write; attention, and what is done number by number, read the rest.
void Dataflow::require_kinds(const Step& step) const {
  const auto require_kind = [&](const std::string& name, bool is_stream) {
    require(buffers_[find(name)].is_stream == is_stream,
            quoted(name) + (is_stream ? " must be kept in float32: gathered, normalized, or added to"
                                      : " must be what a linear has written, and nothing else"));
  };
  std::visit(Overloaded{[](const GatherStep&) {}, [](const LinearStep&) {},
                        [](const NormalizeStep&) {},
                        [&](const MultiplyStep& multiply) {
                          require_kind(multiply.source, false);
                          require_kind(multiply.target, false);
                        },
                        [&](const RotateStep& rotate) {
                          require_kind(rotate.target, false);
                          require_kind(rotate.angles, true);
                        },
                        [&](const NeighboursStep& neighbours) {
                          require_kind(neighbours.source, true);
                          require_kind(neighbours.target, false);
                        },
                        [&](const AttentionStep& attention) {
                          for (const auto* name :
                               {&attention.queries, &attention.keys, &attention.values})
                            require_kind(*name, false);
                        }},
             step);
}

/// What stands in other tiles must be there before a phase begins, and stay until it ends.
void Dataflow::require_neighbours(const Program& program) {
  std::vector<bool> written(buffers_.size(), false), shifted(buffers_.size(), false);
  for (std::size_t step = 0; step < accesses_.size(); ++step) {
    if (std::holds_alternative<AttentionStep>(program.steps[step])) {
      written.assign(buffers_.size(), false);
      shifted.assign(buffers_.size(), false);
    }
    if (const auto* const neighbours = std::get_if<NeighboursStep>(&program.steps[step]))
      shifted[find(neighbours->source)] = true;
    for (const Access& access : accesses_[step]) {
      written[access.buffer] = written[access.buffer] || access.writes;
      if (written[access.buffer] && shifted[access.buffer])
        refuse("neighbours in " + quoted(buffers_[access.buffer].name) +
               " must have been written before the last attention");
    }
  }
}

/// Buffers that every phase that has anything to do with them begins by overwriting.
void Dataflow::find_short_lived(const Program& program) {
  for (Buffer& buffer : buffers_) buffer.of_phase = true;
  buffers_[output_].of_phase = false;
  std::vector<bool> touched(buffers_.size(), false);
  for (std::size_t step = 0; step < accesses_.size(); ++step) {
    const bool is_attention = std::holds_alternative<AttentionStep>(program.steps[step]);
    if (is_attention) touched.assign(buffers_.size(), false);
    for (const Access& access : accesses_[step]) {
      Buffer& buffer = buffers_[access.buffer];
      if (is_attention || (access.reads && !touched[access.buffer])) buffer.of_phase = false;
      if (!is_attention) touched[access.buffer] = true;
    }
  }
}

}  // namespace fineprune
