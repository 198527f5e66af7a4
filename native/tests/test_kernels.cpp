// Every kernel of every instruction set that this CPU runs, against the reference.
//
//     test_kernels [SEED]      the seed is printed; without one, another each time

#include <algorithm>
#include <bit>
#include <string>

#include "../code_tiles.hpp"
#include "../tiles.hpp"
#include "harness.hpp"
#include "matrices.hpp"
#include "reference.hpp"

namespace fineprune::tests {
namespace {

/// What rounding may cost, relative to the largest number that takes part.
template <class State>
constexpr double tolerance = sizeof(State) == sizeof(float) ? 3e-6 : 1.2e-2;

void expect_close(double found, double expected, double bound, const std::string& what) {
  expect(std::abs(found - expected) <= bound,  // false for NaN
         what + ": " + std::to_string(found) + " instead of " + std::to_string(expected));
}

template <class Element>
void fill(std::mt19937& random, HostileBuffer<Element>& buffer, std::size_t size) {
  std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
  for (std::size_t i = 0; i < size; ++i) put(uniform(random), buffer[i]);
}

/// What a linear writes and adds, between guards.
template <class State>
struct Outputs {
  Outputs(std::mt19937& random, std::size_t size)
      : residual(size), partial(size), wide(size), narrow(size) {
    fill(random, residual, size);
  }

  Epilogue<State> of(const std::vector<float>& bias, Activation activation) {
    return {.bias = bias.data(),
            .activation = activation,
            .residual = residual.data(),
            .partial = partial.data(),
            .wide = wide.data(),
            .narrow = narrow.data()};
  }

  /// Both outputs at a place, without the residual, to what sums of that size allow.
  void check(std::size_t place, double without_residual, double size, const std::string& what) {
    const double expected = without_residual + residual[place];
    const double exact = sizeof(State) == sizeof(float) ? 3e-6 : 1e-4;
    expect_close(wide[place], expected, exact * size, what + " wide");
    expect_close(widen(narrow[place]), expected, tolerance<State> * size, what + " narrow");
  }

  void check_guards(const std::string& what) {
    expect(wide.guards_hold() && narrow.guards_hold() && partial.guards_hold(),
           what + " guards");
  }

  HostileBuffer<float> residual, partial, wide;
  HostileBuffer<State> narrow;
};

/// One matrix on one tile, with everything that an epilogue can do, by a team of `parts`.
template <class Arithmetic>
void test_linear(std::mt19937& random, const Kernels<Arithmetic>& kernels, const RandomMatrix& matrix,
                 Kind kind, int width, Activation activation, int parts,
                 const std::string& what) {
  using State = typename Arithmetic::State;
  const auto rows = static_cast<std::size_t>(matrix.rows);
  std::uniform_real_distribution<float> uniform(0.5f, 1.5f);
  std::vector<float> scales(rows);
  std::vector<float> bias(rows);
  for (float& scale : scales) scale = uniform(random);
  for (float& number : bias) number = uniform(random) - 1.0f;
  const std::vector<float> weights(matrix.values.begin(), matrix.values.end());
  const auto linear =
      make_matrix(kernels, kind, matrix.rows, matrix.columns, weights, scales);

  HostileBuffer<State> input(static_cast<std::size_t>(matrix.columns) * width);
  Outputs<State> outputs(random, rows * width);
  fill(random, input, static_cast<std::size_t>(matrix.columns) * width);
  for (int part = 0; part < parts; ++part)
    linear->apply(linear->share(part, parts), width, {input.data()}, outputs.of(bias, activation));

  for (std::size_t row = 0; row < rows; ++row)
    for (int lane = 0; lane < width; ++lane) {
      double sum = 0.0, size = 1.0;
      for (int column = 0; column < matrix.columns; ++column) {
        const double product =
            round_to<State>(matrix.values[row * matrix.columns + column]) *
            widen(input[static_cast<std::size_t>(column) * width + lane]);
        sum += product;
        size += std::abs(product);
      }
      const std::size_t place = row * width + lane;
      outputs.check(place, activate(activation, sum * scales[row] + bias[row]), size, what);
    }
  outputs.check_guards(what);
}

/// The same on codes: products of codes are exact, whatever the instruction set.
template <class State>
void test_linear(std::mt19937& random, const Kernels<Int8<State>>& kernels,
                 const RandomMatrix& matrix, Kind kind, int width, Activation activation, int parts,
                 const std::string& what) {
  const auto rows = static_cast<std::size_t>(matrix.rows);
  std::uniform_real_distribution<float> uniform(0.5f, 1.5f);
  std::vector<float> scales(rows), bias(rows);
  std::vector<std::int8_t> weights(matrix.values.size());
  for (float& scale : scales) scale = uniform(random) / 127.0f;
  for (float& number : bias) number = uniform(random) - 1.0f;
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = static_cast<std::int8_t>(std::lround(127.0 * matrix.values[i]));
  const auto linear = make_matrix(kernels, kind, matrix.rows, matrix.columns, weights, scales);

  const std::size_t size = static_cast<std::size_t>(matrix.columns) * width;
  HostileBuffer<float> numbers(size), steps(width), lows(width);
  HostileBuffer<std::uint8_t> codes(size);
  Outputs<State> outputs(random, rows * width);
  fill(random, numbers, size);
  kernels.own.quantize_floats({.numbers = numbers.data(),
                               .features = matrix.columns,
                               .width = width,
                               .codes = codes.data(),
                               .steps = steps.data(),
                               .lows = lows.data()});
  for (int part = 0; part < parts; ++part)
    linear->apply(linear->share(part, parts), width,
                  {nullptr, codes.data(), steps.data(), lows.data()}, outputs.of(bias, activation));

  for (int lane = 0; lane < width; ++lane) {
    std::vector<float> column(matrix.columns);
    for (int c = 0; c < matrix.columns; ++c)
      column[c] = numbers[static_cast<std::size_t>(c) * width + lane];
    const auto [low, high] = std::minmax_element(column.begin(), column.end());
    const float codes_of_one = 255.0f / std::max(1e-30f, *high - *low);
    expect(lows[lane] == *low && steps[lane] == (*high - *low) / 255.0f, what + " steps");
    for (std::size_t row = 0; row < rows; ++row) {
      std::int64_t sum = 0, sum_of_weights = 0;
      for (int c = 0; c < matrix.columns; ++c) {
        const std::int64_t weight = weights[row * matrix.columns + c];
        sum += weight * std::lrint((column[c] - *low) * codes_of_one);
        sum_of_weights += weight;
      }
      const double scale = scales[row];
      const double products = scale * steps[lane] * static_cast<double>(sum);
      const double rest = scale * *low * static_cast<double>(sum_of_weights);
      const std::size_t place = row * width + lane;
      outputs.check(place, activate(activation, products + rest + bias[row]),
                     1.0 + std::abs(products) + std::abs(rest), what);
    }
  }
  outputs.check_guards(what);
  expect(codes.guards_hold() && steps.guards_hold() && lows.guards_hold(), what + " code guards");
}

template <class Arithmetic>
void test_linears(std::mt19937& random, const Kernels<Arithmetic>& kernels, const std::string& name) {
  struct Case {
    int rows, columns;
    double density;
  };
  constexpr Case cases[] = {{1, 1, 1.0},    {5, 3, 0.5},    {64, 64, 0.1},   {67, 130, 0.3},
                            {70, 1601, 0.05}, {130, 900, 0.2}, {13, 257, 1.0}, {9, 40, 0.0}};
  constexpr Activation activations[] = {Activation::none, Activation::relu, Activation::gelu,
                                        Activation::gelu_tanh, Activation::tanh};
  int i = 0;
  for (const Case& c : cases)
    for (const Kind kind : {Kind::sparse, Kind::dense})
      for (const int width : {16, 32, 64}) {
        const RandomMatrix matrix(random, c.rows, c.columns, c.density);
        test_linear(random, kernels, matrix, kind, width, activations[i % std::size(activations)], 1 + i % 3,
                    name + (kind == Kind::sparse ? " sparse " : " dense ") + std::to_string(c.rows) + "x" +
                        std::to_string(c.columns) + " width " + std::to_string(width));
        ++i;
      }
}

/// What is done number by number: some rows, or some heads, and no others.
template <class Arithmetic>
void test_elementwise(std::mt19937& random, const Kernels<Arithmetic>& kernels,
                      const std::string& name) {
  using State = typename Arithmetic::State;
  constexpr int heads = 3, features = 18;
  std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
  for (const int width : {16, 32, 64})
    for (const bool rotates : {false, true}) {
      const std::size_t size = static_cast<std::size_t>(features) * width;
      const int head_size = features / heads, half = head_size / 2;
      HostileBuffer<State> source(size), target(size), before(size);
      HostileBuffer<float> angles(static_cast<std::size_t>(head_size) * width);
      for (std::size_t i = 0; i < size; ++i) {
        put(uniform(random), source[i]);
        put(uniform(random), target[i]);
        before[i] = target[i];
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(head_size) * width; ++i)
        angles[i] = uniform(random);
      const RowRange range = rotates ? RowRange{1, 2} : RowRange{5, 17};
      if (rotates)
        kernels.rotate({range, head_size, width, angles.data(), target.data()});
      else
        kernels.multiply({range, width, source.data(), target.data()});
      const int first = rotates ? head_size : range.begin;
      const int end = rotates ? 2 * head_size : range.end;
      for (int f = 0; f < features; ++f)
        for (int lane = 0; lane < width; ++lane) {
          const auto at = [&](int feature) {
            return static_cast<std::size_t>(feature) * width + lane;
          };
          double expected = widen(before[at(f)]);
          if (f >= first && f < end && !rotates) expected *= widen(source[at(f)]);
          if (f >= first && f < end && rotates) {
            const int pair = (f - first) % half;
            const double other = widen(before[at(f < first + half ? f + half : f - half)]);
            const double sine = angles[at(half + pair)];
            expected = expected * angles[at(pair)] + (f < first + half ? -other : other) * sine;
          }
          expect_close(widen(target[at(f)]), expected, 2 * tolerance<State>,
                       name + (rotates ? " rotates " : " multiplies ") + std::to_string(f));
        }
      expect(target.guards_hold(), name + " elementwise guards");
    }
}

/// What attention adds to scores by distance: nothing, biases, or products with rows of tables; between
/// tokens that stand one after another or with gaps between them.
struct Distances {
  bool biases, rows, gaps;
};

/// A sequence that begins at `first_key` of a batch of `lanes` lanes; queries are all of it.
template <class Arithmetic>
void test_attention(std::mt19937& random, const Kernels<Arithmetic>& kernels, int first_key,
                    int key_count, int head_size, const Distances& distances, const std::string& what) {
  using State = typename Arithmetic::State;
  const int heads = 2, hidden = heads * head_size;
  const int last_lane = first_key + round_up(key_count, lane_multiple);
  const int tiles = round_up(last_lane, largest_width) / largest_width;
  const int last_width = tile_width(last_lane - (tiles - 1) * largest_width);
  const std::size_t stride = static_cast<std::size_t>(hidden) * largest_width;
  HostileBuffer<State> queries(tiles * stride, 2), keys(tiles * stride, 2),
      values(tiles * stride, 2), contexts(tiles * stride, 2);
  const std::size_t workspace_size = attention_workspace(key_count, head_size, distances.rows);
  HostileBuffer<float> workspace(workspace_size);

  const auto width = [&](int tile) { return tile + 1 == tiles ? last_width : largest_width; };
  const auto place = [&](int lane, int feature) {
    const int tile = lane / largest_width;
    return tile * stride + static_cast<std::size_t>(feature) * width(tile) + lane % largest_width;
  };
  std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
  for (int lane = 0; lane < (tiles - 1) * largest_width + last_width; ++lane)
    for (int feature = 0; feature < hidden; ++feature)
      for (auto* buffer : {&queries, &keys, &values})
        // NaN wherever no token of the sequence stands: none may count.
        put(lane >= first_key && lane < first_key + key_count ? uniform(random) : NAN,
            (*buffer)[place(lane, feature)]);

  const int head = 1, reach = 20;
  std::vector<float> biases(2 * reach + 1);
  for (float& bias : biases) bias = uniform(random);
  const DistanceBias bias = {distances.biases ? biases.data() : nullptr, reach};
  std::vector<std::int32_t> numbers(2 * reach + 1);
  for (std::int32_t& number : numbers) number = static_cast<std::int32_t>(random() % 7);
  HostileBuffer<float> row_keys(7 * hidden), row_queries(7 * hidden);
  for (int i = 0; i < 7 * hidden; ++i) {
    row_keys[i] = uniform(random);
    row_queries[i] = uniform(random);
  }
  DistanceRows rows;
  if (distances.rows)
    rows = {numbers.data(), reach, row_keys.data() + head * head_size,
            row_queries.data() + head * head_size, static_cast<std::size_t>(hidden)};
  std::vector<std::int32_t> places(key_count);
  for (int token = 0; token < key_count; ++token)
    places[token] = distances.gaps ? 3 + 2 * token + token / 5 : token;
  for (int lane = first_key; lane < last_lane;) {
    const int tile = lane / largest_width;
    const int end = std::min(last_lane, (tile + 1) * largest_width);
    const std::size_t first_tile = first_key / largest_width * stride;
    kernels.attention({.queries = queries.data() + tile * stride,
                       .context = contexts.data() + tile * stride,
                       .width = width(tile),
                       .first_query = lane % largest_width,
                       .query_lanes = end - lane,
                       .query_token = lane - first_key,
                       .keys = keys.data() + first_tile,
                       .values = values.data() + first_tile,
                       .tile_stride = stride,
                       .last_tile = tiles - 1 - first_key / largest_width,
                       .last_width = last_width,
                       .first_key = first_key % largest_width,
                       .key_count = key_count,
                       .first_feature = head * head_size,
                       .head_size = head_size,
                       .scale = 1.0f / std::sqrt(static_cast<float>(head_size)),
                       .bias = bias,
                       .distances = rows,
                       .places = distances.gaps ? places.data() : nullptr,
                       .workspace = workspace.data()});
    lane = end;
  }

  for (int query = first_key; query < first_key + key_count; ++query) {
    Numbers weights(key_count);
    double sum = 0.0;
    for (int key = 0; key < key_count; ++key) {
      double score = 0.0;
      for (int d = head * head_size; d < (head + 1) * head_size; ++d)
        score += widen(queries[place(query, d)]) * widen(keys[place(first_key + key, d)]);
      const int apart = std::clamp(places[query - first_key] - places[key], -reach, reach) + reach;
      if (distances.biases) score += biases[apart];
      for (int d = head * head_size; distances.rows && d < (head + 1) * head_size; ++d) {
        const std::size_t feature = static_cast<std::size_t>(numbers[apart]) * hidden + d;
        score += widen(queries[place(query, d)]) * row_keys[feature] +
                 widen(keys[place(first_key + key, d)]) * row_queries[feature];
      }
      weights[key] = std::exp(score / std::sqrt(head_size));
      sum += weights[key];
    }
    for (int d = head * head_size; d < (head + 1) * head_size; ++d) {
      double context = 0.0;
      for (int key = 0; key < key_count; ++key)
        context += weights[key] / sum * widen(values[place(first_key + key, d)]);
      expect_close(widen(contexts[place(query, d)]), context, 2 * tolerance<State>, what);
      expect(std::isnan(widen(contexts[place(query, d - head_size)])), what + " other head");
    }
  }
  expect(workspace.guards_hold() && contexts.guards_hold(), what + " guards");
}

template <class Arithmetic>
void test_attentions(std::mt19937& random, const Kernels<Arithmetic>& kernels,
                     const std::string& name) {
  for (const int first_key : {0, 16, 48})
    for (const int key_count : {1, 15, 16, 33, 64, 113})
      for (const int head_size : {8, 13, 32})
        for (const Distances& distances :
             {Distances{false, false, false}, Distances{true, false, false},
              Distances{true, true, false}, Distances{true, false, true}, Distances{true, true, true}})
          test_attention(random, kernels, first_key, key_count, head_size, distances,
                         name + " attention from lane " + std::to_string(first_key) + ", " +
                             std::to_string(key_count) + " keys of " + std::to_string(head_size) +
                             (distances.rows ? ", rows" : ", biases") +
                             (distances.gaps ? " with gaps" : ""));
}

/// What float arithmetic makes of numbers that are none. A key whose score is NaN or infinite leaves no
/// weight that is a number; a value that is none reaches all queries.
template <class Arithmetic>
void test_attention_of_no_numbers(const Kernels<Arithmetic>& kernels, const std::string& name) {
  using State = typename Arithmetic::State;
  constexpr int keys = 19, head_size = 8, width = 32;
  const float payload = std::bit_cast<float>(0x7fc12345u);
  for (const float odd : {static_cast<float>(NAN), -static_cast<float>(NAN), payload, INFINITY})
    for (const bool of_value : {false, true})
      for (const int key : {0, 7, 18}) {
        HostileBuffer<State> queries(head_size * width, 2), numbers(head_size * width, 2),
            values(head_size * width, 2), contexts(head_size * width, 2);
        for (int i = 0; i < head_size * width; ++i)
          for (auto* buffer : {&queries, &numbers, &values})
            put(0.1f + 0.01f * static_cast<float>(i % 7), (*buffer)[i]);
        put(odd, (of_value ? values : numbers)[static_cast<std::size_t>(3) * width + key]);
        HostileBuffer<float> workspace(attention_workspace(keys, head_size));
        kernels.attention({.queries = queries.data(),
                           .context = contexts.data(),
                           .width = width,
                           .first_query = 0,
                           .query_lanes = width,
                           .query_token = 0,
                           .keys = numbers.data(),
                           .values = values.data(),
                           .tile_stride = head_size * largest_width,
                           .last_tile = 0,
                           .last_width = width,
                           .first_key = 0,
                           .key_count = keys,
                           .first_feature = 0,
                           .head_size = head_size,
                           .scale = 1.0f / std::sqrt(static_cast<float>(head_size)),
                           .workspace = workspace.data()});
        for (int feature = 0; feature < head_size; ++feature)
          for (int query = 0; query < keys; ++query) {
            const double found = widen(contexts[static_cast<std::size_t>(feature) * width + query]);
            const bool number = of_value && feature != 3;
            const bool infinite = of_value && std::isinf(odd) && std::isinf(found);
            const bool right = number ? std::isfinite(found) : std::isnan(found) || infinite;
            expect(right, name + " attention to " + std::to_string(odd) +
                              (of_value ? " as a value" : " as a key") + " gives " +
                              std::to_string(found) + " in feature " + std::to_string(feature));
          }
      }
}

/// A tile of numbers as linears of an arithmetic read it.
template <class Arithmetic>
class TestInput {
 public:
  TestInput(const Kernels<Arithmetic>&, const std::vector<float>& numbers, int, int)
      : state_(numbers.size()) {
    for (std::size_t i = 0; i < numbers.size(); ++i) put(numbers[i], state_[i]);
  }
  InputTile<Arithmetic> get() const { return {state_.data()}; }

 private:
  std::vector<typename Arithmetic::State> state_;
};

template <class State>
class TestInput<Int8<State>> {
 public:
  TestInput(const Kernels<Int8<State>>& kernels, const std::vector<float>& numbers, int features,
            int width) {
    codes_.reserve(1, static_cast<std::size_t>(features));
    kernels.own.quantize_floats(codes_.task(0, numbers.data(), features, width));
  }
  InputTile<Int8<State>> get() const { return codes_.input<State>(0, nullptr); }

 private:
  CodeTiles codes_;
};

/// Activations of NaN and infinity: `x * 0` and `x * 1` of infinity are NaN and infinity, but the
/// distribution function of minus infinity may be a little off 0: no number either.
template <class Arithmetic>
void test_activations_of_no_numbers(const Kernels<Arithmetic>& kernels, const std::string& name) {
  constexpr int width = 16;
  for (const Activation activation :
       {Activation::none, Activation::relu, Activation::gelu, Activation::gelu_tanh,
        Activation::tanh})
    for (const Kind kind : {Kind::dense, Kind::sparse}) {
      const std::vector<float> ones = {1.0f, 1.0f};  // a whole group, in bfloat16 as well
      const auto linear = make_matrix(kernels, kind, 1, 2, ones);
      std::vector<float> input(2 * width), output(width);
      const float odd[] = {NAN, -NAN, std::bit_cast<float>(0x7fc12345u), INFINITY, -INFINITY};
      for (int lane = 0; lane < width; ++lane) {
        input[lane] = odd[lane % 5];
        input[static_cast<std::size_t>(width) + lane] = 0.0f;
      }
      const TestInput<Arithmetic> tile(kernels, input, 2, width);
      linear->apply({0, 1}, width, tile.get(),
                    {.activation = activation, .partial = output.data(), .wide = output.data()});
      for (int lane = 0; lane < width; ++lane) {
        const float x = odd[lane % 5], y = output[lane];
        bool right = std::isnan(y);
        if (x == INFINITY) right = y == INFINITY;
        if (x == -INFINITY && activation == Activation::none) right = y == -INFINITY;
        if (x == -INFINITY && activation == Activation::relu) right = y == 0.0f;
        if (x == -INFINITY && activation > Activation::relu) right = !std::isfinite(y);
        if (std::isinf(x) && activation == Activation::tanh) right = y == (x > 0.0f ? 1.0f : -1.0f);
        if (is_int8<Arithmetic>) right = std::isnan(y);  // no number spans codes with others
        expect(right, name + " activation " + std::to_string(static_cast<int>(activation)) + " of " +
                          std::to_string(x) + " is " + std::to_string(y));
      }
    }
}

/// Codes as large as they get, of one sign and of both: no sum of products may be cut off on its way.
template <class State>
void test_largest_codes(std::mt19937& random, const Kernels<Int8<State>>& kernels,
                        const std::string& name) {
  constexpr int columns = 301;
  const std::vector<std::vector<int>> kinds = {{127}, {-128}, {127, -128}, {-128, -128, 127},
                                               {127, 127, 0, -128}, {64, 65}, {-64, -65, 127}};
  const int rows = static_cast<int>(kinds.size());
  std::vector<std::int8_t> weights;
  for (const auto& kind : kinds)
    for (int column = 0; column < columns; ++column)
      weights.push_back(static_cast<std::int8_t>(
          kind[std::uniform_int_distribution<std::size_t>(0, kind.size() - 1)(random)]));
  const std::vector<float> scales(rows, 1.0f);
  for (const Kind kind : {Kind::dense, Kind::sparse})
    for (const int width : {16, 32, 64}) {
      // From 0 to 255, and 255 almost everywhere, so that a number is its own code.
      std::vector<float> numbers(static_cast<std::size_t>(columns) * width, 255.0f);
      for (int lane = 0; lane < width; ++lane)
        numbers[static_cast<std::size_t>(lane % columns) * width + lane] = 0.0f;
      const TestInput<Int8<State>> tile(kernels, numbers, columns, width);
      const auto linear = make_matrix(kernels, kind, rows, columns, weights, scales);
      std::vector<float> output(static_cast<std::size_t>(rows) * width);
      linear->apply({0, rows}, width, tile.get(),
                    {.partial = output.data(), .wide = output.data()});
      for (int row = 0; row < rows; ++row)
        for (int lane = 0; lane < width; ++lane) {
          std::int64_t sum = 0;
          for (int column = 0; column < columns; ++column)
            if (column != lane % columns) sum += 255 * weights[row * columns + column];
          const float found = output[static_cast<std::size_t>(row) * width + lane];
          expect(found == static_cast<float>(sum),
                 name + " largest codes in row " + std::to_string(row) + ": " +
                     std::to_string(found) + " instead of " + std::to_string(sum));
        }
    }
}

template <class Arithmetic>
void test_normalize(std::mt19937& random, const Kernels<Arithmetic>& kernels, int features, int width,
                    const std::string& what) {
  using State = typename Arithmetic::State;
  const std::size_t size = static_cast<std::size_t>(features) * width;
  HostileBuffer<float> sums(size), wide(size), weight(features), bias(features);
  HostileBuffer<State> narrow(size);
  fill(random, sums, size);
  fill(random, weight, features);
  fill(random, bias, features);
  for (std::size_t i = 0; i < size; ++i) sums[i] += 100.0f;  // a mean far from zero
  constexpr float epsilon = 1e-5f;
  kernels.normalize({.sums = sums.data(),
                     .weight = weight.data(),
                     .bias = bias.data(),
                     .epsilon = epsilon,
                     .features = features,
                     .width = width,
                     .wide = wide.data(),
                     .narrow = narrow.data()});
  for (int lane = 0; lane < width; ++lane) {
    double mean = 0.0, variance = 0.0;
    const auto at = [&](int f) { return static_cast<std::size_t>(f) * width + lane; };
    for (int f = 0; f < features; ++f) mean += sums[at(f)] / static_cast<double>(features);
    for (int f = 0; f < features; ++f)
      variance += std::pow(sums[at(f)] - mean, 2) / static_cast<double>(features);
    for (int f = 0; f < features; ++f) {
      const double expected =
          (sums[at(f)] - mean) / std::sqrt(variance + epsilon) * weight[f] + bias[f];
      // One feature alone has variance 0: what is left of it is the rounding of its mean.
      expect_close(wide[at(f)], expected, 3e-4, what + " wide");
      expect_close(widen(narrow[at(f)]), expected, 5 * tolerance<State> + 3e-4, what + " narrow");
    }
  }
  expect(wide.guards_hold() && narrow.guards_hold(), what + " guards");
}

template <class Arithmetic>
void test_kernels(std::mt19937& random, const Kernels<Arithmetic>& kernels, const std::string& name) {
  test_linears(random, kernels, name);
  test_elementwise(random, kernels, name);
  test_attentions(random, kernels, name);
  test_attention_of_no_numbers(kernels, name);
  test_activations_of_no_numbers(kernels, name);
  if constexpr (is_int8<Arithmetic>) test_largest_codes(random, kernels, name);
  for (const int features : {1, 7, 96, 769})
    for (const int width : {16, 32, 64})
      test_normalize(random, kernels, features, width,
                     name + " normalize " + std::to_string(features) + " features, width " +
                         std::to_string(width));
}

}  // namespace
}  // namespace fineprune::tests

int main(int count, char** arguments) {
  using namespace fineprune::tests;
  const unsigned seed = choose_seed(count, arguments);
  for_all_kernels(seed, [](std::mt19937& random, const auto& kernels, const std::string& name) {
    test_kernels(random, kernels, name);
  });
  return conclude();
}
