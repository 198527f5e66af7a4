#include "checksum.hpp"

#include <cstring>

namespace fineprune {
namespace {

/// The 128 bits of a product, folded to 64: each depends on all bits of both factors.
std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

std::uint64_t checksum(const void* memory, std::size_t bytes) {
  constexpr std::uint64_t keys[] = {0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu,
                                    0xd6e8feb86659fd93u};
  constexpr std::size_t chains = 4;
  std::uint64_t words[2 * chains];
  std::uint64_t sums[chains] = {keys[0], keys[1], keys[2], keys[3]};
  std::uint64_t all = folded_product(bytes ^ keys[0], keys[1]);
  const auto add_words = [&] {
    for (std::size_t c = 0; c < chains; ++c)
      sums[c] = folded_product(words[2 * c] ^ keys[c], words[2 * c + 1] ^ sums[c]);
  };
  const auto* place = static_cast<const unsigned char*>(memory);
  for (; bytes >= sizeof words; place += sizeof words, bytes -= sizeof words) {
    std::memcpy(words, place, sizeof words);
    add_words();
  }
  std::memset(words, 0, sizeof words);
  if (bytes > 0) std::memcpy(words, place, bytes);
  add_words();
  for (std::size_t c = 0; c < chains; ++c) all = folded_product(all ^ sums[c], keys[c]);
  return all;
}

}  // namespace fineprune
