#pragma once
// Phi, the distribution function of the standard normal distribution, on vectors: the heart of GELU,
// which is a twentieth of the time of a whole encoder.

#include "bfloat16.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// The polynomial with these coefficients, highest power first. Even and odd powers are summed
/// apart: half the latency of Horner's rule, for one multiplication more.
template <int count>
inline Floats polynomial(const float (&coefficients)[count], Floats t) {
  const Floats squared = t * t;
  Floats sums[2] = {broadcast(coefficients[0]), broadcast(coefficients[1])};
  for (int i = 2; i < count; ++i) sums[i % 2] = sums[i % 2] * squared + coefficients[i];
  return sums[count % 2] * t + sums[1 - count % 2];
}

/// Phi(x), so that x Phi(x) is within 1e-6. NaN stays NaN.
///
/// 2 Phi(x) - 1 = erf(x / sqrt(2)) = x P(x^2) up to a bound where it is almost 1. P is a
/// least-squares fit at Chebyshev nodes in t = 2 (x / bound)^2 - 1: in t, unlike in x^2, its terms do
/// not cancel.
template <class State>
inline Floats normal_distribution(Floats x) {
  constexpr float bound = 5.3f;
  constexpr float fit[] = {
      -1.245560547e-03f, 3.307820489e-03f,  -3.042613677e-03f, 3.929728681e-03f,
      -1.072431254e-02f, 1.911899359e-02f,  -2.690265517e-02f, 3.738625467e-02f,
      -5.045702719e-02f, 6.422885819e-02f,  -7.919337043e-02f, 9.852444719e-02f,
      -1.330365270e-01f, 2.667851598e-01f};
  const Floats clamped = minimum(broadcast(bound), maximum(broadcast(-bound), x));
  const Floats t = clamped * clamped * (2.0f / (bound * bound)) - 1.0f;
  return clamped * 0.5f * polynomial(fit, t) + 0.5f;
}

#if defined(__AVX512BF16__)

/// Phi on [-bound, bound] as a parabola on each of 32 equal pieces. Two registers hold the 32
/// coefficients of one power: one permutation finds a piece's own.
///
/// The parabolas are Taylor polynomials around the middles of the pieces, where the derivatives of
/// the density are known, with the line that comes nearest to the cubic term added.
struct NormalPieces {
  static constexpr int count = 32;
  static constexpr float bound = 4.4f;
  // A little wider than they need to be, so that no number from within rounds out of the last one.
  static constexpr double width = 2.0 * bound / count * 1.001;

  float coefficients[3][count] = {};  ///< of powers of a piece's width; piece -1 stands last

  constexpr NormalPieces() {
    for (int place = 0; place < count; ++place) {
      const double middle = ((place < count / 2 ? place : place - count) + 0.5) * width;
      const double slope = density(middle) * width;
      const double cubic = slope * (middle * middle - 1.0) * width * width / 6.0;
      coefficients[0][place] = static_cast<float>(distribution(middle));
      coefficients[1][place] = static_cast<float>(slope + cubic * 3.0 / 16.0);
      coefficients[2][place] = static_cast<float>(-slope * middle * width / 2.0);
    }
  }

 private:
  static constexpr double density(double x) {
    double sum = 1.0;  // of the series of exp(x^2 / 2), whose terms are all positive
    double term = 1.0;
    for (int n = 1; n < 100; ++n) sum += term *= x * x / 2.0 / n;
    return 0.3989422804014327 / sum;
  }

  static constexpr double distribution(double x) {
    double sum = x;
    double term = x;
    for (int n = 1; n < 100; ++n) sum += term *= x * x / (2 * n + 1);
    return 0.5 + density(x) * sum;
  }
};

inline constexpr NormalPieces normal_pieces;

/// The number of a table that the low bits of each index name.
inline Floats look_up(const float (&table)[2 * lanes], Ints index) {
  return _mm512_permutex2var_ps(load(table), reinterpret_cast<__m512i>(index), load(table + lanes));
}

/// For bfloat16, whose own rounding is 2e-3 of a value: x Phi(x) is within 5e-5 for |x| up to 8,
/// and within 2e-5 |x| beyond.
template <>
inline Floats normal_distribution<bfloat16>(Floats x) {
  constexpr float bound = NormalPieces::bound;
  const Floats clamped = minimum(broadcast(bound), maximum(broadcast(-bound), x));
  const Floats place = clamped * static_cast<float>(1.0 / NormalPieces::width) - 0.5f;
  const auto [piece_number, piece] = round_to_nearest(place);
  const Floats r = place - piece_number;
  const auto& coefficients = normal_pieces.coefficients;
  const Floats line = look_up(coefficients[2], piece) * r + look_up(coefficients[1], piece);
  return line * r + look_up(coefficients[0], piece);
}

#endif

}  // namespace fineprune::FINEPRUNE_ISA
