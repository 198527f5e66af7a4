#pragma once
// Which kernels this CPU can run.

#include <string_view>
#include <vector>

#include "kernels.hpp"

namespace fineprune {

struct InstructionSet {
  std::string_view name;
  const Kernels<Float32>* float_kernels;
  const Kernels<Bfloat16>* bfloat16_kernels;  ///< null where the CPU lacks the instructions
  const Kernels<Int8<float>>* int8_kernels;
  const Kernels<Int8<bfloat16>>* int8_bfloat16_kernels;  ///< null where the CPU lacks bfloat16
};

/// Those that this CPU runs, fastest first; never empty.
const std::vector<InstructionSet>& instruction_sets();

/// The one of that name. Throws std::invalid_argument where this CPU does not run it.
const InstructionSet& instruction_set(std::string_view name);

}  // namespace fineprune
