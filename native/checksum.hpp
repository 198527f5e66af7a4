#pragma once
// Whether memory is still what it was.

#include <cstddef>
#include <cstdint>

namespace fineprune {

/// A number of 64 bits that is another one after a change, but for about one in 2^64 (the construction
/// of wyhash). It is no protection against someone who looks for two contents of the same number.
/// Four chains of multiplications are in flight: it goes about as fast as memory is read.
std::uint64_t checksum(const void* memory, std::size_t bytes);

}  // namespace fineprune
