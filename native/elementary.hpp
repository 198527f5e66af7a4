#pragma once
// Exponential, and the activation functions, on vectors.

#include "kernels.hpp"
#include "normal_distribution.hpp"
#include "simd.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// The nearest integer n, and 2^n, for x from -126 to 127.
struct Powers {
  Floats number;
  Floats power;
};

/// As `round_to_nearest`, with the exponent's bias in the low bits as well: shifted to their place they
/// are 2^n. To multiply with it is exact, and leaves a NaN what it is; adding n to a NaN's exponent
/// might make a number of it.
inline Powers split_power(Floats x) {
  // Lanes without a token may hold any number: their bits may be shifted out.
  using Bits = std::uint32_t __attribute__((vector_size(vector_bytes)));
  const Floats rounder = broadcast(12582912.0f + 127.0f);
  const Floats shifted = x + rounder;
  return {shifted - rounder, reinterpret_cast<Floats>(reinterpret_cast<Bits>(shifted) << 23)};
}

/// exp(x) within 3 ulp for x in [-87, 88]; what lies outside is clamped to that range. NaN stays NaN.
///
/// exp(x) = 2^n exp(r) with |r| <= ln(2) / 2; the polynomial in r is a weighted least-squares fit
/// (relative error 4e-9). ln(2) is subtracted in two parts, so that r stays exact.
inline Floats exponential(Floats x) {
  constexpr float log2_e = 1.442695041f;
  constexpr float ln2_high = 0.693359375f;
  constexpr float ln2_low = -2.12194440e-4f;

  x = minimum(broadcast(88.0f), maximum(broadcast(-87.0f), x));
  const auto [n, power] = split_power(x * log2_e);
  const Floats r = (x - n * ln2_high) - n * ln2_low;
  Floats p = broadcast(1.394646539e-03f);
  p = p * r + 8.369164326e-03f;
  p = p * r + 4.166626287e-02f;
  p = p * r + 1.666651588e-01f;
  p = p * r + 5.000000081e-01f;
  p = p * (r * r) + (r + 1.0f);
  return p * power;
}

/// 2^x within 1e-4 of itself for x in [-126, 0], as exact as weights need to be that are rounded to
/// bfloat16; what lies below is clamped, NaN stays NaN. The same construction, with a minimax fit in r.
inline Floats coarse_power_of_two(Floats x) {
  x = maximum(broadcast(-126.0f), x);
  const auto [n, power] = split_power(x);
  const Floats r = x - n;
  Floats p = broadcast(5.517166e-02f);
  p = p * r + 2.4261112e-01f;
  p = p * r + 6.9326099e-01f;
  p = p * r + 9.9992807e-01f;
  return p * power;
}

inline Floats relu(Floats x) { return maximum(Floats{}, x); }

/// x Phi(x), with the exact distribution function.
template <class State>
inline Floats gelu(Floats x) {
  return x * normal_distribution<State>(x);
}

/// The tanh form of GELU: x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
inline Floats gelu_tanh(Floats x) {
  constexpr float twice_root = 1.595769122f;
  const Floats inner = x * (x * x * 0.044715f + 1.0f);
  return x / (exponential(inner * -twice_root) + 1.0f);
}

/// 1 - 2 / (exp(2x) + 1), within 1e-7.
inline Floats hyperbolic_tangent(Floats x) {
  return 1.0f - 2.0f / (exponential(x * 2.0f) + 1.0f);
}

}  // namespace fineprune::FINEPRUNE_ISA
