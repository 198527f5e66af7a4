#pragma once

#include "../kernels.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// Where a sequence's tokens stand in the tiles of keys, or of values.
template <class State>
class TokenRows {
 public:
  struct Place {
    const State* row;  ///< the token in the head's first feature
    std::size_t stride;  ///< to the next feature
    int run;             ///< tokens from here on in the same tile
  };

  TokenRows(const AttentionTask<State>& task, const State* tiles)
      : task_(task), tiles_(tiles) {}

  Place at(int token) const {
    const int lane = task_.first_key + token;
    const int tile = lane / largest_width;
    const int width = tile == task_.last_tile ? task_.last_width : largest_width;
    const int left = task_.key_count - token;
    const int in_tile = width - lane % largest_width;
    return {tiles_ + tile * task_.tile_stride +
                static_cast<std::size_t>(task_.first_feature) * width + lane % largest_width,
            static_cast<std::size_t>(width), left < in_tile ? left : in_tile};
  }

 private:
  const AttentionTask<State>& task_;
  const State* tiles_;
};

}  // namespace fineprune::FINEPRUNE_ISA
