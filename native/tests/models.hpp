#pragma once
// Random encoders, what they should compute, and batches to compare on.

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "../encoder.hpp"
#include "harness.hpp"
#include "matrices.hpp"
#include "reference.hpp"

namespace fineprune::tests {

using Rows = std::vector<Numbers>;  ///< [tokens][features]

inline std::vector<float> random_floats(std::mt19937& random, std::size_t size, float low, float high) {
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> numbers(size);
  for (float& number : numbers) number = uniform(random);
  return numbers;
}

/// What rounding may cost hidden states, which are about 1.
template <class Arithmetic>
constexpr double tolerance_of_encoders = std::is_same_v<Arithmetic, Float32>    ? 3e-5
                                         : std::is_same_v<Arithmetic, Bfloat16> ? 0.15
                                                                                : 0.3;

/// Keeps about half of its weights.
struct ReferenceAffine {
  int rows, columns;
  std::vector<float> weight, bias;

  ReferenceAffine(std::mt19937& random, int rows, int columns)
      : rows(rows), columns(columns), bias(random_floats(random, rows, -0.5f, 0.5f)) {
    const float most = 2.5f / std::sqrt(static_cast<float>(columns));
    weight = random_floats(random, static_cast<std::size_t>(rows) * columns, -most, most);
    std::bernoulli_distribution pruned(0.5);
    for (float& number : weight)
      if (pruned(random)) number = 0.0f;
  }

  template <class Arithmetic>
  Affine prepare(const Kernels<Arithmetic>& kernels, Kind kind) const {
    return {make_matrix(kernels, kind, rows, columns, weight), bias};
  }

  Numbers operator()(const Numbers& x) const {
    Numbers y(bias.begin(), bias.end());
    for (int row = 0; row < rows; ++row)
      for (int column = 0; column < columns; ++column)
        y[row] += static_cast<double>(weight[row * columns + column]) * x[column];
    return y;
  }
};

struct ReferenceNorm {
  std::vector<float> weight, bias;

  ReferenceNorm(std::mt19937& random, int size)
      : weight{random_floats(random, size, 0.5f, 1.5f)},
        bias{random_floats(random, size, -0.5f, 0.5f)} {}

  Numbers operator()(Numbers x, double epsilon) const {
    double mean = 0.0, variance = 0.0;
    const auto size = static_cast<double>(x.size());
    for (const double number : x) mean += number / size;
    for (const double number : x) variance += (number - mean) * (number - mean) / size;
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = (x[i] - mean) / std::sqrt(variance + epsilon) * weight[i] + bias[i];
    return x;
  }

  NormalizeStep prepare(std::string buffer, float epsilon) const {
    return {buffer, buffer, weight, bias, epsilon};
  }
};

struct ReferenceLayer {
  ReferenceAffine query, key, value, output;
  ReferenceNorm attention_norm;
  ReferenceAffine up, down;
  ReferenceNorm output_norm;

  ReferenceLayer(std::mt19937& random, int hidden, int intermediate)
      : query(random, hidden, hidden),
        key(random, hidden, hidden),
        value(random, hidden, hidden),
        output(random, hidden, hidden),
        attention_norm(random, hidden),
        up(random, intermediate, hidden),
        down(random, hidden, intermediate),
        output_norm(random, hidden) {}

  /// `make` turns an affine part into weights for the kernels, `number` being its number.
  template <class Make>
  void prepare(const Make& make, int heads, float epsilon, std::vector<Step>& steps) const {
    steps.push_back(LinearStep{"hidden", "query", make(query, 0)});
    steps.push_back(LinearStep{"hidden", "key", make(key, 1)});
    steps.push_back(LinearStep{"hidden", "value", make(value, 2)});
    steps.push_back(AttentionStep{"query", "key", "value", heads});
    steps.push_back(LinearStep{"query", "hidden", make(output, 3), Activation::none, true});
    steps.push_back(attention_norm.prepare("hidden", epsilon));
    steps.push_back(LinearStep{"hidden", "intermediate", make(up, 4), Activation::gelu});
    steps.push_back(
        LinearStep{"intermediate", "hidden", make(down, number_of_down), Activation::none, true});
    steps.push_back(output_norm.prepare("hidden", epsilon));
  }
  static constexpr int number_of_down = 5;
};

inline Numbers sum_of(Numbers a, const Numbers& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

struct Sizes {
  int embedding, hidden, intermediate;
};

inline constexpr Sizes small = {24, 40, 72};
inline constexpr Sizes wide = {40, 300, 420};  // every matrix but the projection has several blocks

struct Model {
  static constexpr int vocabulary = 50, positions = 300, heads = 4;
  static constexpr float epsilon = 1e-6f;

  int embedding, hidden;
  std::vector<float> words, places;
  ReferenceNorm norm;
  ReferenceAffine projection;
  std::vector<ReferenceLayer> layers;

  Model(std::mt19937& random, const Sizes& sizes)
      : embedding(sizes.embedding),
        hidden(sizes.hidden),
        words(random_floats(random, vocabulary * embedding, -1.0f, 1.0f)),
        places(random_floats(random, positions * embedding, -1.0f, 1.0f)),
        norm(random, embedding),
        projection(random, hidden, embedding) {
    for (int i = 0; i < 2; ++i) layers.emplace_back(random, hidden, sizes.intermediate);
  }

  /// All matrices but `down` are of the first kind.
  template <class Arithmetic>
  std::unique_ptr<Encoder> prepare(const Kernels<Arithmetic>& kernels, int threads,
                                   Kind kind = Kind::sparse,
                                   Kind kind_of_down = Kind::sparse) const {
    return prepare_with(kernels, threads, [&](const ReferenceAffine& part, int number) {
      const bool is_down = number == ReferenceLayer::number_of_down;
      return part.prepare(kernels, is_down ? kind_of_down : kind);
    });
  }

  template <class Arithmetic, class Make>
  std::unique_ptr<Encoder> prepare_with(const Kernels<Arithmetic>& kernels, int threads,
                                        const Make& make) const {
    const auto table = [this](int rows, const std::vector<float>& values) {
      return std::make_shared<Embedding>(rows, embedding, std::span<const float>(values),
                                         std::span<const float>{}, nullptr);
    };
    std::vector<Step> steps;
    steps.push_back(GatherStep{"embedded",
                               {{Ids::tokens, table(vocabulary, words)},
                                {Ids::positions, table(positions, places)}}});
    steps.push_back(norm.prepare("embedded", epsilon));
    steps.push_back(LinearStep{"embedded", "hidden", make(projection, 0)});
    for (const ReferenceLayer& layer : layers) layer.prepare(make, heads, epsilon, steps);
    return make_encoder(kernels, {std::move(steps), "hidden"}, {threads});
  }

  Rows run(std::span<const std::int32_t> tokens) const {
    Rows x;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      Numbers sum(embedding);
      for (int i = 0; i < embedding; ++i)
        sum[i] = static_cast<double>(words[tokens[t] * embedding + i]) + places[t * embedding + i];
      x.push_back(projection(norm(sum, epsilon)));
    }
    for (const ReferenceLayer& layer : layers) x = run(layer, x);
    return x;
  }

 private:
  Rows run(const ReferenceLayer& layer, const Rows& x) const {
    Rows keys, values, result;
    for (const Numbers& token : x) {
      keys.push_back(layer.key(token));
      values.push_back(layer.value(token));
    }
    for (const Numbers& token : x) {
      const Numbers context = attend(layer.query(token), keys, values);
      const Numbers middle = layer.attention_norm(sum_of(layer.output(context), token), epsilon);
      Numbers up = layer.up(middle);
      for (double& number : up) number = activate(Activation::gelu, number);
      result.push_back(layer.output_norm(sum_of(layer.down(up), middle), epsilon));
    }
    return result;
  }

  Numbers attend(const Numbers& query, const Rows& keys, const Rows& values) const {
    const int size = hidden / heads;
    Numbers context(hidden);
    for (int first = 0; first < hidden; first += size) {
      Numbers weights;
      double sum = 0.0;
      for (const Numbers& key : keys) {
        double score = 0.0;
        for (int i = first; i < first + size; ++i) score += query[i] * key[i];
        weights.push_back(std::exp(score / std::sqrt(size)));
        sum += weights.back();
      }
      for (std::size_t k = 0; k < keys.size(); ++k)
        for (int i = first; i < first + size; ++i) context[i] += weights[k] / sum * values[k][i];
    }
    return context;
  }
};

/// A batch, and what comes of it.
struct Expectation {
  std::vector<std::int32_t> tokens, positions, lengths;
  Rows rows;
  std::vector<std::size_t> first;  ///< each sequence's first row
  int hidden;

  Expectation(std::mt19937& random, const Model& model, std::vector<std::int32_t> lengths)
      : lengths(std::move(lengths)), hidden(model.hidden) {
    std::uniform_int_distribution<std::int32_t> id(0, Model::vocabulary - 1);
    for (const std::int32_t length : this->lengths) {
      first.push_back(tokens.size());
      for (std::int32_t i = 0; i < length; ++i) {
        tokens.push_back(id(random));
        positions.push_back(i);
      }
      const Rows part = model.run(std::span(tokens).subspan(first.back()));
      rows.insert(rows.end(), part.begin(), part.end());
    }
  }

  Batch batch() const { return {tokens, positions, tokens, lengths}; }

  void check(const Encoder& encoder, double tolerance, const std::string& what) const {
    std::vector<float> all(rows.size() * hidden, NAN);
    encoder.run(batch(), false, all);
    for (std::size_t row = 0; row < rows.size(); ++row) check_row(all, row, row, tolerance, what);
    std::vector<float> firsts(first.size() * hidden, NAN);
    encoder.run(batch(), true, firsts);
    for (std::size_t i = 0; i < first.size(); ++i)
      check_row(firsts, i, first[i], tolerance, what + " first_only");
  }

 private:
  void check_row(const std::vector<float>& found, std::size_t row, std::size_t expected,
                 double tolerance, const std::string& what) const {
    double worst = 0.0;
    for (int i = 0; i < hidden; ++i) {
      const double error = std::abs(found[row * hidden + i] - rows[expected][i]);
      worst = error <= worst ? worst : error;  // keeps a NaN
    }
    expect(worst <= tolerance, what + " row " + std::to_string(row) + " is off by " +
                                   std::to_string(worst));
  }
};

}  // namespace fineprune::tests
