#pragma once
// Between rows of tokens, as everyone else has them, and tiles of lanes.

#include <cstddef>

#include "bfloat16.hpp"

namespace fineprune {

inline int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// The width of tiles for so many lanes.
inline int tile_width(int total_lanes) { return total_lanes <= 16 ? 16 : 32; }

/// Writes one token's features, (features,), into a lane of a tile, [features][width].
template <class Element>
void put_lane(const float* row, int features, int width, int lane, Element* tile);

/// The way back.
void get_lane(const float* tile, int features, int width, int lane, float* row);

}  // namespace fineprune
