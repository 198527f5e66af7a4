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

/// Calls `test(random, kernels, name)` for each arithmetic of each instruction set that this CPU
/// runs.
template <class Test>
void for_all_kernels(unsigned seed, const Test& test) {
  for (const InstructionSet& set : instruction_sets()) {
    std::mt19937 random(seed);
    const std::string name(set.name);
    test(random, *set.float_kernels, name + " float32");
    if (set.bfloat16_kernels != nullptr) test(random, *set.bfloat16_kernels, name + " bf16");
    test(random, *set.int8_kernels, name + " int8");
    if (set.int8_bfloat16_kernels != nullptr)
      test(random, *set.int8_bfloat16_kernels, name + " int8 and bf16");
    std::printf("%s: %d failures so far\n", name.c_str(), failures);
  }
}

/// What `main` returns.
inline int conclude() {
  std::printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace fineprune::tests
