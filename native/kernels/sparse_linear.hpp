#pragma once

#include "../kernels.hpp"

namespace fineprune::FINEPRUNE_ISA {

void sparse_linear(const SparseRows& weights, RowRange rows, int width, const float* input,
                   const Epilogue<float>& epilogue);

}  // namespace fineprune::FINEPRUNE_ISA
