#pragma once
// GELU of the few numbers that heads have, in float64: of layers, elementary.hpp does it.

#include <span>

namespace fineprune {

/// y = x P(X <= x) of a standard normal X (Hendrycks and Gimpel 2016, eq. 2), rounded once.
void exact_gelu(std::span<const float> x, std::span<float> y);

}  // namespace fineprune
