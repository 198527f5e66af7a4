#include "instruction_set.hpp"

#include <stdexcept>
#include <string>

namespace fineprune {

// Each is defined by kernels/table.cpp, compiled for that instruction set.
#if defined(__x86_64__)
namespace avx512 {
extern const Kernels<float> float_kernels;
}
namespace avx2 {
extern const Kernels<float> float_kernels;
}
#elif defined(__aarch64__)
namespace neon {
extern const Kernels<float> float_kernels;
}
#endif
namespace baseline {
extern const Kernels<float> float_kernels;
}

namespace {

const Kernels<bfloat16>* no_bfloat16() { return nullptr; }

bool always() { return true; }

#if defined(__x86_64__)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

const InstructionSet known[] = {
#if defined(__x86_64__)
    {"avx512", has_avx512, &avx512::float_kernels, no_bfloat16},
    {"avx2", has_avx2, &avx2::float_kernels, no_bfloat16},
#elif defined(__aarch64__)
    {"neon", always, &neon::float_kernels, no_bfloat16},
#endif
    {"baseline", always, &baseline::float_kernels, no_bfloat16},
};

}  // namespace

template <>
const Kernels<float>* InstructionSet::kernels() const {
  return float_kernels;
}

template <>
const Kernels<bfloat16>* InstructionSet::kernels() const {
  return bfloat16_kernels();
}

const std::vector<const InstructionSet*>& instruction_sets() {
  static const std::vector<const InstructionSet*> supported = [] {
    std::vector<const InstructionSet*> found;
    for (const InstructionSet& set : known)
      if (set.supported()) found.push_back(&set);
    return found;
  }();
  return supported;
}

const InstructionSet& instruction_set(std::string_view name) {
  std::string names;
  for (const InstructionSet* set : instruction_sets()) {
    if (set->name == name) return *set;
    names += (names.empty() ? "" : ", ") + std::string(set->name);
  }
  throw std::invalid_argument("instruction set \"" + std::string(name) +
                              "\" is not among those that this CPU runs: " + names);
}

}  // namespace fineprune
