#pragma once

#include "../kernels.hpp"

namespace fineprune::FINEPRUNE_ISA {

/// LayerNorm down the features, each lane for itself.
template <class Element>
void normalize(const NormalizeTask<Element>& task);

}  // namespace fineprune::FINEPRUNE_ISA
