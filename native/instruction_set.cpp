#include "instruction_set.hpp"

#include <string>

#include "require.hpp"

namespace fineprune {

// Each is defined by kernels/table_*.cpp, compiled for that instruction set.
namespace baseline {
extern const Kernels<float> float_kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels<float> float_kernels;
}
namespace avx512 {
extern const Kernels<float> float_kernels;
}
namespace avx512_bf16 {
extern const Kernels<bfloat16> bfloat16_kernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const Kernels<float> float_kernels;
}
#endif

namespace {

std::vector<InstructionSet> find_instruction_sets() {
  std::vector<InstructionSet> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    found.push_back({"avx512", &avx512::float_kernels,
                     __builtin_cpu_supports("avx512bf16") ? &avx512_bf16::bfloat16_kernels
                                                          : nullptr});
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    found.push_back({"avx2", &avx2::float_kernels, nullptr});
#elif defined(__aarch64__)
  found.push_back({"neon", &neon::float_kernels, nullptr});
#endif
  found.push_back({"baseline", &baseline::float_kernels, nullptr});
  return found;
}

}  // namespace

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
