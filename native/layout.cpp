#include "layout.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "tiles.hpp"

namespace fineprune {

void Layout::arrange(std::span<const std::int32_t> lengths, int heads) {
  int lanes = 0;
  sequences_.clear();
  for (const int length : lengths) {
    sequences_.push_back({lanes, length});
    lanes += round_up(length, lane_multiple);
  }
  tiles_ = round_up(lanes, largest_width) / largest_width;
  last_width_ = tile_width(lanes - (tiles_ - 1) * largest_width);

  tokens_.assign(static_cast<std::size_t>(tiles_) * largest_width, -1);
  int token = 0;
  for (const Sequence& sequence : sequences_) {
    const auto first = tokens_.begin() + sequence.first_lane;
    std::iota(first, first + sequence.length, token);
    token += sequence.length;
  }

  units_.clear();
  first_units_.clear();
  first_tiles_.clear();
  for (int sequence = 0; sequence < static_cast<int>(sequences_.size()); ++sequence) {
    add_units(sequence, heads);
    const int tile = sequences_[sequence].first_lane / largest_width;
    if (first_tiles_.empty() || first_tiles_.back() != tile) first_tiles_.push_back(tile);
  }
  all_tiles_.resize(tiles_);
  std::iota(all_tiles_.begin(), all_tiles_.end(), 0);
}

const Layout::Sequence& Layout::sequence_of(int lane) const {
  const auto next = std::upper_bound(
      sequences_.begin(), sequences_.end(), lane,
      [](int lane, const Sequence& sequence) { return lane < sequence.first_lane; });
  return *std::prev(next);
}

/// Heads outside, blocks inside: a head's keys and values stay in cache from block to block.
void Layout::add_units(int sequence, int heads) {
  const int begin = sequences_[sequence].first_lane;
  const int end = begin + round_up(sequences_[sequence].length, lane_multiple);
  for (int head = 0; head < heads; ++head) {
    for (int lane = begin; lane < end;) {
      const int tile = lane / largest_width;
      const int next = std::min(end, (tile + 1) * largest_width);
      units_.push_back({sequence, head, tile, lane % largest_width, next - lane});
      lane = next;
    }
    first_units_.push_back(
        {sequence, head, begin / largest_width, begin % largest_width, lane_multiple});
  }
}

}  // namespace fineprune
