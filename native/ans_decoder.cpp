#include "ans_decoder.hpp"

#include <algorithm>
#include <array>

#include "ans_format.hpp"

namespace fineprune {
namespace {

// The symbol of each of the 2^14 parts of a table, and where its part begins. The 16 KiB of the
// first and the 2 KiB of the second stay in the first-level cache.
class Lookup {
 public:
  explicit Lookup(std::span<const std::uint16_t> frequencies) : parts_(frequencies) {
    for (std::size_t symbol = 0; symbol < parts_.size(); ++symbol) {
      const auto [start, frequency] = parts_[symbol];
      std::fill_n(symbols_.begin() + (start >> ans::scale_bits), frequency >> ans::scale_bits,
                  static_cast<std::uint8_t>(symbol));
    }
  }

  std::uint8_t symbol(std::uint64_t quantile) const {
    return symbols_[quantile >> ans::scale_bits];
  }
  const ans::Part& part(std::uint8_t symbol) const { return parts_[symbol]; }

 private:
  ans::Parts parts_;
  std::array<std::uint8_t, ans::total> symbols_;
};

}  // namespace

AnsDecoder::AnsDecoder(std::span<const std::uint32_t> words)
    : words_(words.size() + 1), left_(words.size()) {
  std::copy(words.begin(), words.end(), words_.begin() + 1);
  if (words_.size() > 1 && words_.back() == 0) refuse("the last word is zero");
  while (state_ < ans::one_word && left_ > 0) state_ = state_ << 32 | words_[left_--];
}

void AnsDecoder::decode(std::span<const std::uint16_t> frequencies,
                        std::span<std::uint8_t> symbols) {
  const Lookup lookup(frequencies);
  // Copies, for a store through `symbols` may, as far as the compiler knows, change any member.
  std::uint64_t state = state_;
  std::size_t left = left_;
  const std::uint32_t* const words = words_.data();
  for (std::uint8_t& symbol : symbols) {
    const std::uint64_t quantile = state & ((1u << ans::coder_bits) - 1);
    symbol = lookup.symbol(quantile);
    const auto [start, frequency] = lookup.part(symbol);
    state = (state >> ans::coder_bits) * frequency + quantile - start;
    // Without a branch: whether a word is due is as good as random, and would be mispredicted.
    const bool due = state < ans::one_word && left > 0;
    const std::uint64_t refilled = state << 32 | words[left];
    state = due ? refilled : state;
    left -= due;
  }
  state_ = state;
  left_ = left;
}

}  // namespace fineprune
