#pragma once

#include "../kernels.hpp"

namespace fineprune::FINEPRUNE_ISA {

inline constexpr int panel_rows = 6;

/// `rows` begins and ends at panels, but for the end of the matrix.
void dense_linear(const DensePanels& weights, RowRange rows, int width, const float* input,
                  const Epilogue<float>& epilogue);

}  // namespace fineprune::FINEPRUNE_ISA
