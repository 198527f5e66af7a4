#pragma once
// Between rows of tokens, as everyone else has them, and tiles of lanes.

#include <cstddef>

#include "bfloat16.hpp"
#include "kernels.hpp"

namespace fineprune {

inline int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// The width of a tile for so many lanes, at most `largest_width`.
inline int tile_width(int lanes) {
  int width = lane_multiple;
  while (width < lanes && width < largest_width) width *= 2;
  return width;
}

inline void put(float value, float& target) { target = value; }
inline void put(float value, bfloat16& target) { target = to_bfloat16(value); }

/// Writes one token's features, (features,), into a lane of a tile, [features][width].
template <class Element>
void put_lane(const float* row, int features, int width, int lane, Element* tile) {
  for (int f = 0; f < features; ++f) put(row[f], tile[static_cast<std::size_t>(f) * width + lane]);
}

/// The way back.
inline void get_lane(const float* tile, int features, int width, int lane, float* row) {
  for (int f = 0; f < features; ++f) row[f] = tile[static_cast<std::size_t>(f) * width + lane];
}

}  // namespace fineprune
