#pragma once
// Which kernels this CPU can run.

#include <string_view>
#include <variant>
#include <vector>

#include "kernels.hpp"

namespace fineprune {

/// Kernels of one arithmetic, compiled for certain features of a CPU.
struct KernelTable {
  std::string_view set;   ///< the instruction set that it belongs to
  std::string_view name;  ///< of the features
  std::variant<const Kernels<Float32>*, const Kernels<Bfloat16>*, const Kernels<Int8<float>>*,
               const Kernels<Int8<bfloat16>>*>
      kernels;
};

/// All that this CPU runs: the fastest sets first, and in each the fastest of one arithmetic.
const std::vector<KernelTable>& kernel_tables();

/// The fastest table of each arithmetic.
struct InstructionSet {
  std::string_view name;
  const Kernels<Float32>* float_kernels = nullptr;
  const Kernels<Bfloat16>* bfloat16_kernels = nullptr;  ///< null where the CPU lacks the instructions
  const Kernels<Int8<float>>* int8_kernels = nullptr;
  const Kernels<Int8<bfloat16>>* int8_bfloat16_kernels = nullptr;  ///< likewise
};

/// Those that this CPU runs, fastest first; never empty.
const std::vector<InstructionSet>& instruction_sets();

/// The one of that name. Throws std::invalid_argument where this CPU does not run it.
const InstructionSet& instruction_set(std::string_view name);

}  // namespace fineprune
