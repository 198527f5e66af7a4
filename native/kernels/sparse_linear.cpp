#include "sparse_linear.hpp"

#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {
namespace {

// A fused multiply-add takes 4 cycles and one starts each cycle: as many sums must be in flight.
constexpr int chains = 4;

/// Rows times a block of `vectors` vectors of lanes. Each non-zero is one broadcast and `vectors`
/// multiply-adds whose operand comes straight from the activation row; sums stay in registers.
/// Narrow blocks take several non-zeros at once, each into sums of its own.
template <int vectors>
void multiply_rows(const SparseRows& weights, RowRange rows, int width, int first_lane,
                   const float* input, const Epilogue<float>& epilogue) {
  constexpr int ways = vectors < chains ? chains / vectors : 1;
  const float* block = input + first_lane;
  for (int row = rows.begin; row < rows.end; ++row) {
    Floats sums[ways][vectors] = {};
    std::uint32_t i = weights.row_starts[row];
    const std::uint32_t end = weights.row_starts[row + 1];
    const auto add = [&](int way, std::uint32_t k) {
      const Floats value = broadcast(weights.values[k]);
      const float* activations = block + static_cast<std::size_t>(weights.columns[k]) * width;
      for (int v = 0; v < vectors; ++v) sums[way][v] += value * load(activations + v * lanes);
    };
    for (; i + ways <= end; i += ways)
      for (int way = 0; way < ways; ++way) add(way, i + way);
    for (; i < end; ++i) add(0, i);

    const std::size_t offset = static_cast<std::size_t>(row) * width + first_lane;
    for (int v = 0; v < vectors; ++v) {
      Floats sum = sums[0][v];
      for (int way = 1; way < ways; ++way) sum += sums[way][v];
      finish(epilogue, row, offset + v * lanes, sum);
    }
  }
}

}  // namespace

void sparse_linear(const SparseRows& weights, RowRange rows, int width, const float* input,
                   const Epilogue<float>& epilogue) {
  constexpr int most = vector_registers / 4;
  int lane = 0;
  for (; lane + most * lanes <= width; lane += most * lanes)
    multiply_rows<most>(weights, rows, width, lane, input, epilogue);
  for (; lane + most / 2 * lanes <= width; lane += most / 2 * lanes)
    multiply_rows<most / 2>(weights, rows, width, lane, input, epilogue);
  for (; lane + most / 4 * lanes <= width; lane += most / 4 * lanes)
    multiply_rows<most / 4>(weights, rows, width, lane, input, epilogue);
  for (; lane < width; lane += lanes)
    multiply_rows<1>(weights, rows, width, lane, input, epilogue);
}

}  // namespace fineprune::FINEPRUNE_ISA
