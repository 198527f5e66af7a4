#include "ans_decoder.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace fineprune {
namespace {

constexpr int table_bits = 14;
constexpr int coder_bits = 24;  // the coder's frequencies are the table's times 2^10
constexpr std::uint64_t one_word = std::uint64_t{1} << 32;
constexpr std::size_t alphabet = 256;

// The symbol of each of the 2^14 parts of a table, and where its part begins. The 16 KiB of the
// first and the 2 KiB of the second stay in the first-level cache.
class Lookup {
 public:
  explicit Lookup(std::span<const std::uint16_t> frequencies) {
    if (frequencies.size() > alphabet) throw std::invalid_argument("more than 256 frequencies");
    std::size_t start = 0;
    for (std::size_t symbol = 0; symbol < frequencies.size(); ++symbol) {
      const std::size_t frequency = frequencies[symbol];
      if (frequency == 0 || frequency > symbols_.size() - start)
        throw std::invalid_argument("frequencies are not positive or exceed 2^14");
      std::fill_n(symbols_.begin() + start, frequency, static_cast<std::uint8_t>(symbol));
      parts_[symbol] = {static_cast<std::uint32_t>(start << scale_bits),
                        static_cast<std::uint32_t>(frequency << scale_bits)};
      start += frequency;
    }
    if (start != symbols_.size()) throw std::invalid_argument("frequencies do not add up to 2^14");
  }

  struct Part {
    std::uint32_t start, frequency;
  };
  std::uint8_t symbol(std::uint64_t quantile) const { return symbols_[quantile >> scale_bits]; }
  const Part& part(std::uint8_t symbol) const { return parts_[symbol]; }

 private:
  static constexpr int scale_bits = coder_bits - table_bits;
  std::array<std::uint8_t, std::size_t{1} << table_bits> symbols_;
  std::array<Part, alphabet> parts_;
};

}  // namespace

AnsDecoder::AnsDecoder(std::span<const std::uint32_t> words)
    : words_(words.size() + 1), left_(words.size()) {
  std::copy(words.begin(), words.end(), words_.begin() + 1);
  if (!words.empty() && words.back() == 0) throw std::invalid_argument("the last word is zero");
  while (state_ < one_word && left_ > 0) state_ = state_ << 32 | words_[left_--];
}

void AnsDecoder::decode(std::span<const std::uint16_t> frequencies,
                        std::span<std::uint8_t> symbols) {
  const Lookup lookup(frequencies);
  // Copies, for a store through `symbols` may, as far as the compiler knows, change any member.
  std::uint64_t state = state_;
  std::size_t left = left_;
  const std::uint32_t* const words = words_.data();
  for (std::uint8_t& symbol : symbols) {
    const std::uint64_t quantile = state & ((1u << coder_bits) - 1);
    symbol = lookup.symbol(quantile);
    const auto [start, frequency] = lookup.part(symbol);
    state = (state >> coder_bits) * frequency + quantile - start;
    // Without a branch: whether a word is due is as good as random, and would be mispredicted.
    const bool due = state < one_word && left > 0;
    const std::uint64_t refilled = state << 32 | words[left];
    state = due ? refilled : state;
    left -= due;
  }
  state_ = state;
  left_ = left;
}

}  // namespace fineprune
