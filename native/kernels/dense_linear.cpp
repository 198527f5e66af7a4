#include "dense_linear.hpp"

#include "epilogue.hpp"

namespace fineprune::FINEPRUNE_ISA {
namespace {

/// One panel of rows times `vectors` vectors of lanes: an outer product a column, sums in registers.
template <int vectors>
void multiply_panel(const float* panel, int columns, int width, const float* block,
                    Floats (&sums)[panel_rows][vectors]) {
  for (int column = 0; column < columns; ++column) {
    Floats activations[vectors];
    for (int v = 0; v < vectors; ++v)
      activations[v] = load(block + static_cast<std::size_t>(column) * width + v * lanes);
    for (int r = 0; r < panel_rows; ++r) {
      const Floats value = broadcast(panel[static_cast<std::size_t>(column) * panel_rows + r]);
      for (int v = 0; v < vectors; ++v) sums[r][v] += value * activations[v];
    }
  }
}

template <int vectors>
void multiply_rows(const DensePanels& weights, RowRange rows, int width, int first_lane,
                   const float* input, const Epilogue<float>& epilogue) {
  for (int row = rows.begin; row < rows.end; row += panel_rows) {
    Floats sums[panel_rows][vectors] = {};
    const float* panel = weights.values + static_cast<std::size_t>(row) * weights.columns;
    multiply_panel(panel, weights.columns, width, input + first_lane, sums);
    for (int r = 0; r < panel_rows && row + r < rows.end; ++r) {
      const std::size_t offset = static_cast<std::size_t>(row + r) * width + first_lane;
      for (int v = 0; v < vectors; ++v)
        finish(epilogue, row + r, offset + v * lanes, sums[r][v]);
    }
  }
}

}  // namespace

void dense_linear(const DensePanels& weights, RowRange rows, int width, const float* input,
                  const Epilogue<float>& epilogue) {
  constexpr int most = vector_registers / 8;  // vectors: 6 rows of them leave room for operands
  int lane = 0;
  for (; lane + most * lanes <= width; lane += most * lanes)
    multiply_rows<most>(weights, rows, width, lane, input, epilogue);
  for (; lane + most / 2 * lanes <= width; lane += most / 2 * lanes)
    multiply_rows<most / 2>(weights, rows, width, lane, input, epilogue);
  for (; lane < width; lane += lanes)
    multiply_rows<1>(weights, rows, width, lane, input, epilogue);
}

}  // namespace fineprune::FINEPRUNE_ISA
