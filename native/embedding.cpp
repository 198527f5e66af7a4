#include "embedding.hpp"

#include <bit>
#include <stdexcept>
#include <string>

namespace fineprune {
namespace {

float number(float value) { return value; }
float number(std::int8_t value) { return value; }

/// Moves the exponent from bias 15 to bias 127 by a multiplication, which does subnormals as well.
float number(float16 value) {
  const std::uint32_t magnitude = (value.bits & 0x7fffu) << 13;
  const std::uint32_t sign = (value.bits & 0x8000u) << 16;
  const bool special = (value.bits & 0x7c00u) == 0x7c00u;  // infinity or NaN
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const std::uint32_t bits =
      special ? magnitude | 0x7f800000u : std::bit_cast<std::uint32_t>(scaled);
  return std::bit_cast<float>(bits | sign);
}

}  // namespace

Embedding::Embedding(int rows, int columns, Values values, std::span<const float> scales,
                     std::shared_ptr<const void> owner)
    : rows_(rows), columns_(columns), values_(values), scales_(scales), owner_(std::move(owner)) {
  const std::size_t size = std::visit([](auto span) { return span.size(); }, values);
  if (rows <= 0 || columns <= 0 || size != static_cast<std::size_t>(rows) * columns)
    throw std::invalid_argument("an embedding of shape (" + std::to_string(rows) + ", " +
                                std::to_string(columns) + ") cannot have " +
                                std::to_string(size) + " values");
  if (!scales.empty() && scales.size() != static_cast<std::size_t>(rows))
    throw std::invalid_argument("expected one scale a row, got " + std::to_string(scales.size()) +
                                " for " + std::to_string(rows) + " rows");
}

void Embedding::add_row(int index, float* sum) const {
  const float scale = scales_.empty() ? 1.0f : scales_[index];
  std::visit(
      [&](auto values) {
        const auto row = values.subspan(static_cast<std::size_t>(index) * columns_, columns_);
        for (int column = 0; column < columns_; ++column)
          sum[column] += number(row[column]) * scale;
      },
      values_);
}

}  // namespace fineprune
