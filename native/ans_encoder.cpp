#include "ans_encoder.hpp"

#include "ans_format.hpp"

namespace fineprune {

void AnsEncoder::encode(std::span<const std::uint16_t> frequencies,
                        std::span<const std::uint8_t> symbols) {
  const ans::Parts parts(frequencies);
  const std::size_t words_before = words_.size();
  std::uint64_t state = state_;
  try {
    for (std::size_t i = symbols.size(); i-- > 0;) {
      const std::uint8_t symbol = symbols[i];
      if (symbol >= parts.size()) refuse("a symbol has no frequency");
      const auto [start, frequency] = parts[symbol];
      if (state >> (64 - ans::coder_bits) >= frequency) {  // one more symbol would not fit
        words_.push_back(static_cast<std::uint32_t>(state));
        state >>= 32;
      }
      state = (state / frequency << ans::coder_bits) + start + state % frequency;
    }
  } catch (...) {
    words_.resize(words_before);
    throw;
  }
  state_ = state;
}

std::vector<std::uint32_t> AnsEncoder::words() const {
  std::vector<std::uint32_t> words = words_;
  for (std::uint64_t left = state_; left > 0; left >>= 32)
    words.push_back(static_cast<std::uint32_t>(left));
  return words;
}

}  // namespace fineprune
