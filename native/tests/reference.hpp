#pragma once
// What kernels should compute, in float64 and as plainly as possible, and the data to compare on.

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "../bfloat16.hpp"
#include "../kernels.hpp"

namespace fineprune::tests {

using Numbers = std::vector<double>;

/// A random matrix of which `density` is kept; some rows and columns are empty.
struct RandomMatrix {
  int rows;
  int columns;
  Numbers values;  ///< [rows][columns]

  RandomMatrix(std::mt19937& random, int rows, int columns, double density)
      : rows(rows), columns(columns), values(static_cast<std::size_t>(rows) * columns) {
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    std::bernoulli_distribution kept(density);
    for (int row = 0; row < rows; ++row)
      for (int column = 0; column < columns; ++column) {
        const bool empty = density < 1.0 && (row % 7 == 3 || column % 5 == 2);
        const double value = uniform(random);
        if (!empty && kept(random))
          values[static_cast<std::size_t>(row) * columns + column] = value;
      }
  }
};

inline double widen(std::uint8_t value) { return value; }
inline double widen(float value) { return value; }
inline double widen(bfloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

/// A number as it is after a round trip through `State`.
template <class State>
double round_to(double value) {
  if constexpr (sizeof(State) == sizeof(float)) return static_cast<float>(value);
  return widen(to_bfloat16(static_cast<float>(value)));
}

inline double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::relu: return x > 0.0 ? x : 0.0;
    case Activation::gelu: return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case Activation::gelu_tanh: {
      const double inner = std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
      return 0.5 * x * (1.0 + std::tanh(inner));
    }
    case Activation::tanh: return std::tanh(x);
    case Activation::none: break;
  }
  return x;
}

/// Memory that begins `misalignment` elements after a cache line and has a guard on both sides.
/// It starts as NaN, or as a number that nothing else is: whoever reads what was never written, or
/// writes outside, is found.
template <class Element>
class HostileBuffer {
 public:
  explicit HostileBuffer(std::size_t size, int misalignment = 1)
      : size_(size), memory_(size + 2 * guard + 64, nan()) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    const std::size_t line = (64 - address % 64) % 64 / sizeof(Element);
    first_ = memory_.data() + guard + line + misalignment;
  }

  Element* data() { return first_; }
  Element& operator[](std::size_t index) { return first_[index]; }

  bool guards_hold() const {
    for (const Element* e = memory_.data(); e != memory_.data() + memory_.size(); ++e)
      if ((e < first_ || e >= first_ + size_) && !is_untouched(*e)) return false;
    return true;
  }

 private:
  static constexpr std::size_t guard = 64;

  static bool is_untouched(Element element) {
    if constexpr (sizeof(Element) == 1) return element == nan();
    return std::isnan(widen(element));
  }

  static Element nan() {
    if constexpr (sizeof(Element) == 1)
      return 0xa5;
    else if constexpr (sizeof(Element) == sizeof(float))
      return std::numeric_limits<float>::quiet_NaN();
    else
      return Element{0x7fc0};
  }

  std::size_t size_;
  std::vector<Element> memory_;
  Element* first_;
};

}  // namespace fineprune::tests
