#include "tiles.hpp"

namespace fineprune {

template <>
void put_lane(const float* row, int features, int width, int lane, float* tile) {
  for (int f = 0; f < features; ++f) tile[static_cast<std::size_t>(f) * width + lane] = row[f];
}

void get_lane(const float* tile, int features, int width, int lane, float* row) {
  for (int f = 0; f < features; ++f) row[f] = tile[static_cast<std::size_t>(f) * width + lane];
}

}  // namespace fineprune
