#pragma once
// The encoder of packed files' streams; see ans_decoder.hpp for its inverse.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fineprune {

// Makes one stream of segments. Asymmetric numeral systems are a stack: what is to be decoded
// first is encoded last.
class AnsEncoder {
 public:
  // Puts a segment before all that are there already. `symbols`: indices into `frequencies`, which
  // are positive numbers that add up to 2^14. A segment that is refused changes nothing.
  void encode(std::span<const std::uint16_t> frequencies, std::span<const std::uint8_t> symbols);

  // The stream so far; its last word is not zero.
  std::vector<std::uint32_t> words() const;

 private:
  std::vector<std::uint32_t> words_;
  std::uint64_t state_ = 0;  // at least 2^32 where there are words
};

}  // namespace fineprune
