#include "instruction_set.hpp"

#include <string>

#include "require.hpp"

namespace fineprune {

// Each is defined by kernels/table_*.cpp, compiled for that instruction set.
#define FINEPRUNE_KERNELS(isa, type, name) \
  namespace isa {                          \
  extern const Kernels<type> name;         \
  }
FINEPRUNE_KERNELS(baseline, Float32, float_kernels)
FINEPRUNE_KERNELS(baseline, Int8<float>, int8_kernels)
#if defined(__x86_64__)
FINEPRUNE_KERNELS(avx2, Float32, float_kernels)
FINEPRUNE_KERNELS(avx2, Int8<float>, int8_kernels)
FINEPRUNE_KERNELS(avx512, Float32, float_kernels)
FINEPRUNE_KERNELS(avx512, Int8<float>, int8_kernels)
FINEPRUNE_KERNELS(avx512_vnni, Int8<float>, int8_kernels)
FINEPRUNE_KERNELS(avx512_bf16, Bfloat16, bfloat16_kernels)
FINEPRUNE_KERNELS(avx512_vnni_bf16, Int8<bfloat16>, int8_kernels)
#elif defined(__aarch64__)
FINEPRUNE_KERNELS(neon, Float32, float_kernels)
FINEPRUNE_KERNELS(neon, Int8<float>, int8_kernels)
#endif
#undef FINEPRUNE_KERNELS

namespace {

#if defined(__x86_64__)
InstructionSet avx512_set() {
  const bool has_bf16 = __builtin_cpu_supports("avx512bf16");
  const bool has_vnni = __builtin_cpu_supports("avx512vnni");
  return {
      .name = "avx512",
      .float_kernels = &avx512::float_kernels,
      .bfloat16_kernels = has_bf16 ? &avx512_bf16::bfloat16_kernels : nullptr,
      .int8_kernels = has_vnni ? &avx512_vnni::int8_kernels : &avx512::int8_kernels,
      .int8_bfloat16_kernels = has_vnni && has_bf16 ? &avx512_vnni_bf16::int8_kernels : nullptr,
  };
}
#endif

std::vector<InstructionSet> find_instruction_sets() {
  std::vector<InstructionSet> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    found.push_back(avx512_set());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    found.push_back({"avx2", &avx2::float_kernels, nullptr, &avx2::int8_kernels, nullptr});
#elif defined(__aarch64__)
  found.push_back({"neon", &neon::float_kernels, nullptr, &neon::int8_kernels, nullptr});
#endif
  found.push_back(
      {"baseline", &baseline::float_kernels, nullptr, &baseline::int8_kernels, nullptr});
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
