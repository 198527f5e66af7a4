#pragma once
// Weights in the groups that kernels take them in.

#include "kernels.hpp"
#include "matrix.hpp"

namespace fineprune {

inline std::size_t size_of(const Values& values) {
  return std::visit([](auto span) { return span.size(); }, values);
}

inline float value_at(const Values& values, std::size_t index) {
  return std::visit([index](auto span) { return static_cast<float>(span[index]); }, values);
}

/// Writes one weight into its place in a group. Codes of 8 bits are exact in bfloat16.
inline void set_weight(float value, int, float& group) { group = value; }
inline void set_weight(float value, int place, Weights<bfloat16>::Group& group) {
  group.weights[place] = to_bfloat16(value);
}

}  // namespace fineprune
