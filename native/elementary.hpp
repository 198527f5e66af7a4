#pragma once
// Exponential, and the activation functions, on vectors.

#include "kernels.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// exp(x) within 3 ulp for x in [-87, 88]; what lies outside is clamped to that range.
///
/// exp(x) = 2^n exp(r) with |r| <= ln(2) / 2; the polynomial in r is a weighted least-squares fit
/// (relative error 4e-9). Adding 1.5 * 2^23 rounds to the nearest integer and leaves n in the low
/// bits; ln(2) is subtracted in two parts, so that r stays exact.
inline Floats exponential(Floats x) {
  constexpr float log2_e = 1.442695041f;
  constexpr float ln2_high = 0.693359375f;
  constexpr float ln2_low = -2.12194440e-4f;
  const Floats rounder = broadcast(12582912.0f);

  x = minimum(maximum(x, broadcast(-87.0f)), broadcast(88.0f));
  const Floats shifted = x * log2_e + rounder;
  const Floats n = shifted - rounder;
  const Floats r = (x - n * ln2_high) - n * ln2_low;
  Floats p = broadcast(1.394646539e-03f);
  p = p * r + 8.369164326e-03f;
  p = p * r + 4.166626287e-02f;
  p = p * r + 1.666651588e-01f;
  p = p * r + 5.000000081e-01f;
  p = p * (r * r) + (r + 1.0f);
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(p) +
                                  (reinterpret_cast<Ints>(shifted) << 23));
}

inline Floats relu(Floats x) { return maximum(x, Floats{}); }

/// The polynomial with these coefficients, highest power first. Even and odd powers are summed
/// apart: half the latency of Horner's rule, for one multiplication more.
template <int count>
inline Floats polynomial(const float (&coefficients)[count], Floats t) {
  const Floats squared = t * t;
  Floats sums[2] = {broadcast(coefficients[0]), broadcast(coefficients[1])};
  for (int i = 2; i < count; ++i) sums[i % 2] = sums[i % 2] * squared + coefficients[i];
  return sums[count % 2] * t + sums[1 - count % 2];
}

/// x Phi(x), with the exact normal distribution function, within 1e-6 (6e-5 for bfloat16, whose own
/// rounding is 2e-3 of a value).
///
/// erf(x / sqrt(2)) = x P(x^2) up to a bound where it is almost 1. P is a least-squares fit at
/// Chebyshev nodes in t = 2 (x / bound)^2 - 1: in t, unlike in x^2, its terms do not cancel.
template <class Element>
inline Floats gelu(Floats x) {
  constexpr bool coarse = sizeof(Element) < sizeof(float);
  constexpr float bound = coarse ? 4.2f : 5.3f;
  constexpr float fine_fit[] = {
      -1.245560547e-03f, 3.307820489e-03f,  -3.042613677e-03f, 3.929728681e-03f,
      -1.072431254e-02f, 1.911899359e-02f,  -2.690265517e-02f, 3.738625467e-02f,
      -5.045702719e-02f, 6.422885819e-02f,  -7.919337043e-02f, 9.852444719e-02f,
      -1.330365270e-01f, 2.667851598e-01f};
  constexpr float coarse_fit[] = {
      4.224962229e-03f, -1.155231593e-02f, 1.650448251e-02f, -2.747507126e-02f,
      4.985127229e-02f, -7.785942592e-02f, 1.116554485e-01f, -1.629692611e-01f,
      3.357116236e-01f};

  const Floats clamped = minimum(maximum(x, broadcast(-bound)), broadcast(bound));
  const Floats t = clamped * clamped * (2.0f / (bound * bound)) - 1.0f;
  Floats p;
  if constexpr (coarse)
    p = polynomial(coarse_fit, t);
  else
    p = polynomial(fine_fit, t);
  const Floats half = x * 0.5f;
  return half * (clamped * p) + half;
}

/// The tanh form of GELU: x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
inline Floats gelu_tanh(Floats x) {
  constexpr float twice_root = 1.595769122f;
  const Floats inner = x * (x * x * 0.044715f + 1.0f);
  return x / (exponential(inner * -twice_root) + 1.0f);
}

}  // namespace fineprune::FINEPRUNE_ISA
