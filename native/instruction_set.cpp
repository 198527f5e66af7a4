#include "instruction_set.hpp"

#include <string>

#include "cpu_features.hpp"
#include "require.hpp"

namespace fineprune {
namespace {

using arithmetic_of_float = Float32;
using arithmetic_of_bfloat16 = Bfloat16;
using arithmetic_of_int8 = Int8<float>;
using arithmetic_of_int8_bfloat16 = Int8<bfloat16>;

}  // namespace

// CMakeLists.txt has the list. Each table is defined by kernels/table_*.cpp, compiled for its features.
#define FINEPRUNE_TABLE(set, isa, table, supported)               \
  namespace isa {                                                 \
  extern const Kernels<arithmetic_of_##table> table##_kernels; \
  }
#include "kernel_tables.inc"
#undef FINEPRUNE_TABLE

namespace {

std::vector<KernelTable> find_kernel_tables() {
  std::vector<KernelTable> found;
#define FINEPRUNE_TABLE(set, isa, table, supported) \
  if (supported) found.push_back({#set, #isa, &isa::table##_kernels});
#include "kernel_tables.inc"
#undef FINEPRUNE_TABLE
  return found;
}

void add(const Kernels<Float32>* kernels, InstructionSet& set) {
  if (set.float_kernels == nullptr) set.float_kernels = kernels;
}
void add(const Kernels<Bfloat16>* kernels, InstructionSet& set) {
  if (set.bfloat16_kernels == nullptr) set.bfloat16_kernels = kernels;
}
void add(const Kernels<Int8<float>>* kernels, InstructionSet& set) {
  if (set.int8_kernels == nullptr) set.int8_kernels = kernels;
}
void add(const Kernels<Int8<bfloat16>>* kernels, InstructionSet& set) {
  if (set.int8_bfloat16_kernels == nullptr) set.int8_bfloat16_kernels = kernels;
}

std::vector<InstructionSet> find_instruction_sets() {
  std::vector<InstructionSet> found;
  for (const KernelTable& table : kernel_tables()) {
    if (found.empty() || found.back().name != table.set) found.push_back({.name = table.set});
    std::visit([&](const auto* kernels) { add(kernels, found.back()); }, table.kernels);
  }
  return found;
}

}  // namespace

const std::vector<KernelTable>& kernel_tables() {
  static const std::vector<KernelTable> supported = find_kernel_tables();
  return supported;
}

const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> supported = find_instruction_sets();
  return supported;
}

const InstructionSet& instruction_set(std::string_view name) {
  std::string names;
  for (const InstructionSet& set : instruction_sets()) {
    if (set.name == name) return set;
    names += (names.empty() ? "" : ", ") + std::string(set.name);
  }
  throw std::invalid_argument("instruction set \"" + std::string(name) +
                              "\" is not among those that this CPU runs: " + names);
}

}  // namespace fineprune
