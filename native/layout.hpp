#pragma once
// Where the tokens of a batch stand in tiles.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels.hpp"

namespace fineprune {

/// One head's work on a block of queries: all lanes in one tile, all of one sequence.
struct AttentionUnit {
  int sequence;
  int head;
  int tile;
  int lane;
  int lanes;
};

/// Sequences stand in lanes one after another, each from a multiple of 16 on. Lanes are cut into
/// tiles of the largest width; the last one may be narrower. Lanes between sequences hold no token,
/// and nobody reads what is in them.
class Layout {
 public:
  struct Sequence {
    int first_lane;
    int length;

    int end_lane() const { return first_lane + length; }
  };

  /// Forgets the last batch. Memory is kept: a batch no larger than those before allocates nothing.
  void arrange(std::span<const std::int32_t> lengths, int heads);

  std::size_t bytes() const {
    return sizeof(Sequence) * sequences_.capacity() +
           sizeof(AttentionUnit) * (units_.capacity() + first_units_.capacity()) +
           sizeof(int) * (tokens_.capacity() + first_tiles_.capacity() + all_tiles_.capacity());
  }

  int tiles() const { return tiles_; }
  int last_width() const { return last_width_; }
  int width(int tile) const { return tile + 1 == tiles_ ? last_width_ : largest_width; }
  const std::vector<Sequence>& sequences() const { return sequences_; }

  /// The sequence that a token in a lane belongs to.
  const Sequence& sequence_of(int lane) const;

  /// The token in a lane of all lanes, or -1.
  int token(int lane) const { return tokens_[static_cast<std::size_t>(lane)]; }

  const std::vector<AttentionUnit>& units() const { return units_; }

  /// What is left to do where only first tokens count.
  const std::vector<AttentionUnit>& first_units() const { return first_units_; }
  const std::vector<int>& first_tiles() const { return first_tiles_; }
  const std::vector<int>& all_tiles() const { return all_tiles_; }

 private:
  void add_units(int sequence, int heads);

  int tiles_ = 0;
  int last_width_ = 0;
  std::vector<Sequence> sequences_;
  std::vector<int> tokens_;
  std::vector<AttentionUnit> units_;
  std::vector<AttentionUnit> first_units_;
  std::vector<int> first_tiles_;
  std::vector<int> all_tiles_;
};

}  // namespace fineprune
