#include "exact_gelu.hpp"

#include <cmath>
#include <cstddef>

namespace fineprune {

void exact_gelu(std::span<const float> x, std::span<float> y) {
  constexpr double half_root = 0.70710678118654752440;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double number = x[i];
    y[i] = static_cast<float>(0.5 * number * (1.0 + std::erf(number * half_root)));
  }
}

}  // namespace fineprune
