// Whole encoders against the reference: sparse and dense matrices, in one block of columns and in
// several, uneven lengths, teams of threads.
//
//     test_encoder [SEED]      the seed is printed; without one, another each time

#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness.hpp"
#include "models.hpp"

namespace fineprune::tests {
namespace {

template <class Arithmetic>
void test_encoder(std::mt19937& random, const Kernels<Arithmetic>& kernels, const Sizes& sizes,
                  const std::string& name) {
  const Model model(random, sizes);
  const double tolerance = tolerance_of_encoders<Arithmetic>;
  const Expectation expectations[] = {
      {random, model, {1}},           {random, model, {20}},          {random, model, {64, 1}},
      {random, model, {5, 100, 17}},  {random, model, {70, 3, 3, 90, 31}}};
  for (const int threads : {1, 2, 5})
    for (const Kind kind : {Kind::dense, Kind::sparse})
      for (const Kind kind_of_down : {Kind::dense, Kind::sparse}) {
        if (is_int8<Arithmetic> && kind != kind_of_down) continue;  // of which there are more
        const auto encoder = model.prepare(kernels, threads, kind, kind_of_down);
        for (const Expectation& expectation : expectations)
          expectation.check(*encoder, tolerance,
                            name + " of " + std::to_string(sizes.hidden) + " on " +
                                std::to_string(threads) + " threads, " +
                                std::to_string(expectation.tokens.size()) + " tokens");
      }
}

/// Linears of codes and of the exact arithmetic beside them, one after another.
template <class State>
void test_mixed(std::mt19937& random, const Kernels<Int8<State>>& kernels,
                const Kernels<typename Int8<State>::Exact>& exact, const std::string& name) {
  const Model model(random, small);
  const Expectation expectations[] = {{random, model, {20}}, {random, model, {70, 3, 90, 31}}};
  for (const int threads : {1, 2})
    for (const int odd : {0, 1}) {
      const auto encoder =
          model.prepare_with(kernels, threads, [&](const ReferenceAffine& part, int number) {
            return number % 2 == odd ? part.prepare(kernels, Kind::sparse)
                                     : part.prepare(exact, Kind::sparse);
          });
      for (const Expectation& expectation : expectations)
        expectation.check(*encoder, tolerance_of_encoders<Int8<State>>, name + " mixed");
    }
}

/// A program with every kind of step, each step once inside of a team and once not: what threads there
/// are changes nothing, and lanes of neighbours are nobody's.
template <class Arithmetic>
void test_every_step(std::mt19937& random, const Kernels<Arithmetic>& kernels,
                     const std::string& name) {
  constexpr int vocabulary = 20, hidden = 24, heads = 2, inner = 40, head_size = hidden / heads;
  const auto numbers = [&](std::size_t size) { return random_floats(random, size, -1.0f, 1.0f); };
  const std::vector<float> words = numbers(vocabulary * hidden), angles = numbers(200 * head_size);
  const auto table = [](int rows, int columns, const std::vector<float>& values) {
    return std::make_shared<Embedding>(rows, columns, std::span<const float>(values),
                                       std::span<const float>{}, nullptr);
  };
  const auto affine = [&](int rows, int columns) {
    return ReferenceAffine(random, rows, columns).prepare(kernels, Kind::sparse);
  };
  const ReferenceNorm norm(random, hidden);
  const auto normalize = [&](std::string source, std::string target) {
    return NormalizeStep{source, target, norm.weight, norm.bias, 1e-6f};
  };
  std::vector<Affine> affines;
  for (int i = 0; i < 4; ++i) affines.push_back(affine(hidden, hidden));
  for (int i = 0; i < 2; ++i) affines.push_back(affine(inner, hidden));
  affines.push_back(affine(hidden, inner));
  affines.push_back(affine(hidden, 3 * hidden));
  const std::vector<float> biases = numbers(heads * 9);
  const DistanceFeatures distances = {{0, 1, 2, 3, 4}, numbers(5 * hidden), numbers(5 * hidden)};
  const auto program = [&] {
    std::vector<Step> steps = {
        GatherStep{"sum", {{Ids::tokens, table(vocabulary, hidden, words)}}}, normalize("sum", "hidden"),
        normalize("sum", "first"), GatherStep{"angles", {{Ids::positions, table(200, head_size, angles)}}}};
    for (int layer = 0; layer < 3; ++layer) {
      steps.push_back(normalize("hidden", "normed"));
      steps.push_back(LinearStep{"normed", "query", affines[0]});
      steps.push_back(LinearStep{"normed", "key", affines[1]});
      steps.push_back(LinearStep{"normed", "value", affines[2]});
      steps.push_back(RotateStep{"query", "angles", heads});
      steps.push_back(RotateStep{"key", "angles", heads});
      AttentionStep attention{"query", "key", "value", heads};
      if (layer == 0) attention.window = 5;
      if (layer == 1) attention.bias = biases;
      if (layer == 2) attention.distances = distances;
      steps.push_back(attention);
      steps.push_back(LinearStep{"query", "hidden", affines[3], Activation::none, true});
      steps.push_back(normalize("hidden", "normed"));
      steps.push_back(LinearStep{"normed", "gated", affines[4], Activation::gelu});
      steps.push_back(LinearStep{"normed", "gate", affines[5]});
      steps.push_back(MultiplyStep{"gate", "gated"});
      steps.push_back(LinearStep{"gated", "hidden", affines[6], Activation::none, true});
      if (layer == 0) {
        steps.push_back(NeighboursStep{"first", "around", 3});
        steps.push_back(LinearStep{"around", "hidden", affines[7], Activation::tanh, true});
      }
    }
    return Program{std::move(steps), "hidden"};
  };
  std::vector<std::int32_t> tokens, positions, places;
  const std::vector<std::int32_t> lengths = {70, 16, 1, 16, 130};
  for (const std::int32_t length : lengths)
    for (std::int32_t i = 0; i < length; ++i) {
      tokens.push_back(static_cast<std::int32_t>(random() % vocabulary));
      positions.push_back(i);
      places.push_back(2 * i + i / 3);
    }
  for (const bool has_gaps : {false, true}) {
    Batch batch{tokens, positions, tokens, lengths};
    if (has_gaps) batch.places = places;
    std::vector<float> expected;
    for (const int threads : {1, 2, 5}) {
      std::vector<float> found(tokens.size() * hidden, NAN);
      make_encoder(kernels, program(), {threads})->run(batch, false, found);
      if (expected.empty()) expected = found;
      expect(found == expected, name + " differs on " + std::to_string(threads) + " threads");
      for (const float number : found) expect(std::isfinite(number), name + " gives no numbers");
    }
  }
}

/// A timed run computes the same, and tells of each phase.
void test_time(std::mt19937& random) {
  const Model model(random, small);
  const auto encoder =
      model.prepare(*instruction_sets().front().float_kernels, 2, Kind::sparse, Kind::sparse);
  const std::vector<std::int32_t> tokens = {1, 2, 3, 4}, positions = {0, 1, 2, 0}, lengths = {3, 1};
  std::vector<float> plain(tokens.size() * model.hidden), timed(plain.size());
  std::vector<double> seconds(encoder->phases(), -1.0);
  encoder->run({tokens, positions, tokens, lengths}, false, plain);
  encoder->time({tokens, positions, tokens, lengths}, false, timed, seconds);
  expect(plain == timed, "a timed run computes something else");
  expect(seconds.size() % 2 == 1 && seconds.size() > 1, "there are not two phases a layer");
  for (const double one : seconds) expect(one >= 0, "a phase has no time");
  bool refused = false;
  try {
    encoder->time({tokens, positions, tokens, lengths}, false, timed,
                  std::span(seconds).first(seconds.size() - 1));
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  expect(refused, "accepted too few numbers for all phases");
}

void test_refusals(std::mt19937& random) {
  const Model model(random, small);
  const auto encoder = model.prepare(*instruction_sets().front().float_kernels, 1);
  using Ids = std::vector<std::int32_t>;
  struct Case {
    const char* name;
    Ids tokens, positions, lengths;
  };
  const Case cases[] = {{"a token above the vocabulary", {50}, {0}, {1}},
                        {"a negative token", {-1}, {0}, {1}},
                        {"a position above the table", {0}, {300}, {1}},
                        {"an empty batch", {}, {}, {}},
                        {"a length of 0", {1}, {0}, {1, 0}},
                        {"a negative length", {1}, {0}, {2, -1}},
                        {"lengths beyond the tokens", {1, 2}, {0, 1}, {3}},
                        {"too few positions", {1, 2}, {0}, {2}}};
  for (const Case& c : cases) {
    std::vector<float> output(c.tokens.size() * model.hidden);
    bool refused = false;
    try {
      encoder->run({c.tokens, c.positions, c.tokens, c.lengths}, false, output);
    } catch (const std::invalid_argument&) {
      refused = true;
    }
    expect(refused, std::string("accepted ") + c.name);
  }
}

}  // namespace
}  // namespace fineprune::tests

int main(int count, char** arguments) {
  using namespace fineprune::tests;
  const unsigned seed = choose_seed(count, arguments);
  for_all_kernels(seed, [](std::mt19937& random, const auto& kernels, const std::string& name) {
    for (const Sizes& sizes : {small, wide}) test_encoder(random, kernels, sizes, name);
    test_every_step(random, kernels, name);
  });
  std::mt19937 random(seed);
  for (const fineprune::InstructionSet& set : fineprune::instruction_sets()) {
    const std::string name(set.name);
    test_mixed(random, *set.int8_kernels, *set.float_kernels, name);
    if (set.int8_bfloat16_kernels != nullptr)
      test_mixed(random, *set.int8_bfloat16_kernels, *set.bfloat16_kernels, name + " bf16");
  }
  test_time(random);
  test_refusals(random);
  return conclude();
}
