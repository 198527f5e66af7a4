#pragma once
// The arithmetics: what activations are made of, and how a linear kernel takes its weights.
//
// `State` is the type of activations between kernels: queries, keys, values, contexts, and what lies
// between the two feed-forward linears. `Group` are as many weights of a row as are multiplied at
// once. Sums of a linear are float, or integers that its epilogue makes float.

#include <cstdint>
#include <type_traits>

#include "bfloat16.hpp"

namespace fineprune {

struct Float32 {
  using State = float;
  using Group = float;
  static constexpr int group_size = 1;
};

struct Bfloat16 {
  using State = bfloat16;
  struct Group {
    bfloat16 weights[2];
  };
  static constexpr int group_size = 2;
};

/// Linears read activations as codes of 8 bits without a sign, with one step and one lowest number a
/// token; weights are codes of 8 bits with a sign, and one scale a row. All else is computed in
/// `StateOfTokens`, float or bfloat16; and so are linears that are to be more exact.
template <class StateOfTokens>
struct Int8 {
  using State = StateOfTokens;
  using Exact = std::conditional_t<std::is_same_v<State, float>, Float32, Bfloat16>;
  struct Group {
    std::int8_t weights[4];
  };
  static constexpr int group_size = 4;
};

template <class Arithmetic>
inline constexpr bool is_int8 = Arithmetic::group_size == 4;

/// More columns might overflow a sum of products of codes, 32 bits wide.
inline constexpr int most_int8_columns = ((1u << 31) - 1) / (255 * 128);

}  // namespace fineprune
