// The entropy coder: what is encoded is decoded, what is no table is refused, and words that
// nobody encoded do no harm.
//
//     test_ans [SEED]      the seed is printed; without one, another each time

#include <algorithm>
#include <set>
#include <stdexcept>
#include <vector>

#include "../ans_decoder.hpp"
#include "../ans_encoder.hpp"
#include "harness.hpp"

namespace fineprune::tests {
namespace {

using Frequencies = std::vector<std::uint16_t>;
using Symbols = std::vector<std::uint8_t>;
using Words = std::vector<std::uint32_t>;

constexpr int total = 1 << 14;

std::size_t below(std::mt19937& random, std::size_t end) {
  return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
}

/// Frequencies of so many symbols: the distances of random cuts.
Frequencies random_table(std::mt19937& random, std::size_t size) {
  std::set<int> cuts{total};
  while (cuts.size() < size) cuts.insert(static_cast<int>(1 + below(random, total - 1)));
  Frequencies frequencies;
  int before = 0;
  for (const int cut : cuts) {
    frequencies.push_back(static_cast<std::uint16_t>(cut - before));
    before = cut;
  }
  return frequencies;
}

/// Symbols as frequent as the table says, or all alike.
Symbols random_symbols(std::mt19937& random, const Frequencies& frequencies, std::size_t count) {
  std::discrete_distribution<int> choose(frequencies.begin(), frequencies.end());
  const bool uniform = below(random, 2) == 0;
  Symbols symbols(count);
  for (std::uint8_t& symbol : symbols)
    symbol = static_cast<std::uint8_t>(uniform ? below(random, frequencies.size())
                                               : choose(random));
  return symbols;
}

void test_round_trip(std::mt19937& random) {
  for (const std::size_t segments : {0, 1, 2, 5}) {
    std::vector<Frequencies> tables;
    std::vector<Symbols> parts;
    for (std::size_t i = 0; i < segments; ++i) {
      const std::size_t sizes[] = {1, 2, 3, 255, 256, 1 + below(random, 256)};
      tables.push_back(random_table(random, sizes[below(random, 6)]));
      const std::size_t counts[] = {0, 1, 2, 3, 5000};
      parts.push_back(random_symbols(random, tables.back(), counts[below(random, 5)]));
    }
    AnsEncoder encoder;
    for (std::size_t i = segments; i-- > 0;) encoder.encode(tables[i], parts[i]);
    const Words words = encoder.words();
    expect(words.empty() || words.back() != 0, "the last word is not zero");
    AnsDecoder decoder(words);
    for (std::size_t i = 0; i < segments; ++i) {
      Symbols decoded(parts[i].size());
      decoder.decode(tables[i], decoded);
      expect(decoded == parts[i], "what is decoded is what was encoded");
    }
    expect(decoder.is_empty(), "nothing is left");
  }
}

void test_words_that_nobody_encoded(std::mt19937& random) {
  for (const std::size_t size : {0, 1, 2, 9}) {
    Words words(size);
    for (std::uint32_t& word : words) word = random();
    if (size > 0) words.back() |= 1;
    AnsDecoder decoder(words);
    for (const std::size_t symbols : {1, 2, 256}) {
      const Frequencies frequencies = random_table(random, symbols);
      Symbols decoded(500);
      decoder.decode(frequencies, decoded);
      expect(*std::max_element(decoded.begin(), decoded.end()) < symbols, "symbols of the table");
    }
  }
}

template <class Call>
void expect_refusal(const std::string& what, const Call& call) {
  try {
    call();
  } catch (const std::invalid_argument&) {
    return;
  }
  expect(false, "accepted " + what);
}

void test_refusals() {
  const Frequencies half{total / 2, total / 2};
  Frequencies many(257, total / 257);
  many.back() += total % 257;
  for (const Frequencies& wrong :
       {Frequencies{}, Frequencies{total - 1}, Frequencies{total, 1}, Frequencies{0, total},
        Frequencies{total / 2, total}, many}) {
    expect_refusal("a table to encode with", [&] { AnsEncoder().encode(wrong, Symbols{0}); });
    expect_refusal("a table to decode with", [&] {
      Symbols symbols(1);
      AnsDecoder(Words{1}).decode(wrong, symbols);
    });
  }
  expect_refusal("a last word of zero", [] { AnsDecoder(Words{1, 0}); });

  AnsEncoder encoder;
  encoder.encode(half, Symbols(100, 1));
  const Words before = encoder.words();
  Symbols symbols(500, 1);
  symbols.front() = 2;  // the last that is encoded
  expect_refusal("a symbol without frequency", [&] { encoder.encode(half, symbols); });
  expect(encoder.words() == before, "a segment that is refused changes nothing");
}

}  // namespace
}  // namespace fineprune::tests

int main(int count, char** arguments) {
  using namespace fineprune::tests;
  std::mt19937 random(choose_seed(count, arguments));
  for (int repeat = 0; repeat < 50; ++repeat) {
    test_round_trip(random);
    test_words_that_nobody_encoded(random);
  }
  test_refusals();
  return conclude();
}
