#pragma once
// What the encoder and the decoder of packed files' streams have in common: 64-bit asymmetric
// numeral systems (Duda 2009), as docs/format.md describes them under "Streams".

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "require.hpp"

namespace fineprune::ans {

inline constexpr int table_bits = 14;
inline constexpr int coder_bits = 24;  // the coder's frequencies are the table's times 2^10
inline constexpr int scale_bits = coder_bits - table_bits;
inline constexpr std::size_t total = std::size_t{1} << table_bits;
inline constexpr std::size_t alphabet = 256;
inline constexpr std::uint64_t one_word = std::uint64_t{1} << 32;

/// The part of the coder's 2^24 that stands for a symbol.
struct Part {
  std::uint32_t start, frequency;
};

/// The parts of symbols with these frequencies: positive numbers that add up to 2^14.
class Parts {
 public:
  explicit Parts(std::span<const std::uint16_t> frequencies) : size_(frequencies.size()) {
    if (size_ > alphabet) refuse("more than 256 frequencies");
    std::size_t start = 0;
    for (std::size_t symbol = 0; symbol < size_; ++symbol) {
      // Read once: the caller's array may change while nobody holds a lock.
      const std::size_t frequency = frequencies[symbol];
      if (frequency == 0 || frequency > total - start)
        refuse("frequencies are not positive or exceed 2^14");
      parts_[symbol] = {static_cast<std::uint32_t>(start << scale_bits),
                        static_cast<std::uint32_t>(frequency << scale_bits)};
      start += frequency;
    }
    if (start != total) refuse("frequencies do not add up to 2^14");
  }

  std::size_t size() const { return size_; }
  const Part& operator[](std::size_t symbol) const { return parts_[symbol]; }

 private:
  std::size_t size_;
  std::array<Part, alphabet> parts_;
};

}  // namespace fineprune::ans
