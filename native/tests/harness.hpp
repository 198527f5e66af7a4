#pragma once
// What native tests have in common: expectations that are counted, and a seed that is printed.

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "../instruction_set.hpp"

namespace fineprune::tests {

inline int failures = 0;

inline void expect(bool condition, const std::string& what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "FAILED %s\n", what.c_str());
}

/// The seed: the program's argument, which repeats a run; without one, another each time.
inline unsigned choose_seed(int count, char** arguments) {
  const unsigned seed = count > 1 ? static_cast<unsigned>(std::atoi(arguments[1]))
                                  : std::random_device()();
  std::printf("seed %u\n", seed);
  return seed;
}

inline const char* name_of(const Kernels<Float32>&) { return "float32"; }
inline const char* name_of(const Kernels<Bfloat16>&) { return "bf16"; }
inline const char* name_of(const Kernels<Int8<float>>&) { return "int8"; }
inline const char* name_of(const Kernels<Int8<bfloat16>>&) { return "int8 and bf16"; }

/// Calls `test(random, kernels, name)` for each table of kernels that this CPU runs.
template <class Test>
void for_all_kernels(unsigned seed, const Test& test) {
  for (const KernelTable& table : kernel_tables()) {
    std::mt19937 random(seed);
    std::visit(
        [&](const auto* kernels) {
          const std::string name = std::string(table.name) + " " + name_of(*kernels);
          test(random, *kernels, name);
          std::printf("%s: %d failures so far\n", name.c_str(), failures);
        },
        table.kernels);
  }
}

/// What `main` returns.
inline int conclude() {
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace fineprune::tests
