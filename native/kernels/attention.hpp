#pragma once

#include "../kernels.hpp"

namespace fineprune::FINEPRUNE_ISA {

void attention(const AttentionTask<float>& task);

}  // namespace fineprune::FINEPRUNE_ISA
