#pragma once
// Weights in the groups that kernels take them in.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels.hpp"
#include "matrix.hpp"
#include "require.hpp"

namespace fineprune {

inline std::size_t size_of(const Values& values) {
  return std::visit([](auto span) { return span.size(); }, values);
}

inline float value_at(const Values& values, std::size_t index) {
  return std::visit([index](auto span) { return static_cast<float>(span[index]); }, values);
}

/// Writes one weight into its place in a group. Codes of 8 bits are exact in bfloat16.
inline void set_weight(float value, int, float& group) { group = value; }
inline void set_weight(float value, int place, Bfloat16::Group& group) {
  group.weights[place] = to_bfloat16(value);
}
template <class Group>
void set_weight(float code, int place, Group& group) {
  group.weights[place] = static_cast<std::int8_t>(code);
}

/// The weights of a matrix as codes of 8 bits, whatever they came as.
class RowCodes {
 public:
  /// `ends` is called with each row, and gives where its values end.
  template <class Ends>
  RowCodes(int rows, const Values& values, std::span<const float> scales, const Ends& ends)
      : scales_(scales.begin(), scales.end()), sums_(static_cast<std::size_t>(rows)) {
    if (scales_.empty()) scales_.assign(static_cast<std::size_t>(rows), 1.0f);
    if (const auto* numbers = std::get_if<std::span<const float>>(&values))
      round(*numbers, ends);
    else
      codes_ = std::get<std::span<const std::int8_t>>(values);
    std::size_t index = 0;
    for (std::size_t row = 0; row < sums_.size(); ++row) {
      std::int64_t sum = 0;
      for (; index < ends(static_cast<int>(row)); ++index) sum += codes_[index];
      sums_[row] = static_cast<float>(sum) * scales_[row];
    }
  }
  RowCodes(const RowCodes&) = delete;

  std::span<const std::int8_t> codes() const { return codes_; }
  const std::vector<float>& scales() const { return scales_; }
  /// Of each row: the sum of its codes, times its scale.
  std::vector<float>& sums() { return sums_; }

 private:
  /// Of each row, the largest magnitude becomes 127. What is no number makes the row's scale none.
  template <class Ends>
  void round(std::span<const float> numbers, const Ends& ends) {
    rounded_.resize(numbers.size());
    std::size_t index = 0;
    for (std::size_t row = 0; row < scales_.size(); ++row) {
      const std::size_t first = index;
      float largest = 0.0f, spoiled = 0.0f;
      for (; index < ends(static_cast<int>(row)); ++index) {
        largest = std::max(largest, std::abs(numbers[index]));
        spoiled += numbers[index] * 0.0f;
      }
      const float step = largest / 127.0f + spoiled;
      if (step > 0.0f)  // false for NaN
        for (std::size_t i = first; i < index; ++i)
          rounded_[i] = static_cast<std::int8_t>(std::lrint(
              std::clamp(numbers[i] / step, -127.0f, 127.0f)));
      scales_[row] *= step;
    }
    codes_ = rounded_;
  }

  std::vector<std::int8_t> rounded_;
  std::span<const std::int8_t> codes_;
  std::vector<float> scales_;
  std::vector<float> sums_;
};

/// Throws std::invalid_argument for a matrix whose sums of products might not fit.
inline void check_int8_columns(int columns) {
  require(columns <= most_int8_columns,
          "precision \"int8\" takes matrices of at most " + std::to_string(most_int8_columns) +
              " columns, got " + std::to_string(columns));
}

}  // namespace fineprune
