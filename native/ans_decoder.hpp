#pragma once
// The decoder of packed files' streams: 64-bit asymmetric numeral systems (Duda 2009), as
// docs/format.md describes it under "Streams".

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fineprune {

// Takes the segments of one stream out again, in their order.
class AnsDecoder {
 public:
  // `words`: the stream; its last word is not zero.
  explicit AnsDecoder(std::span<const std::uint32_t> words);

  // Fills `symbols` with the next ones, as indices into `frequencies`: positive numbers that add
  // up to 2^14. Any words decode to something: `is_empty` tells whether it was meant.
  void decode(std::span<const std::uint16_t> frequencies, std::span<std::uint8_t> symbols);

  // Whether exactly what was encoded has been decoded.
  bool is_empty() const { return state_ == 0 && left_ == 0; }

 private:
  std::vector<std::uint32_t> words_;  // behind one more, which is read in vain at the end
  std::size_t left_;  // words that are not yet part of the state; taken from the last to the first
  std::uint64_t state_ = 0;
};

}  // namespace fineprune
