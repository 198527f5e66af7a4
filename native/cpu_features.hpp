#pragma once
// What the CPU can do, by the names that compilers have for it.

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace fineprune {

#if defined(__x86_64__)

#define FINEPRUNE_FEATURE(name) \
  inline bool has_##name() { return __builtin_cpu_supports(#name); }
FINEPRUNE_FEATURE(avx2)
FINEPRUNE_FEATURE(fma)
FINEPRUNE_FEATURE(avx512f)
FINEPRUNE_FEATURE(avx512bw)
FINEPRUNE_FEATURE(avx512dq)
FINEPRUNE_FEATURE(avx512vl)
FINEPRUNE_FEATURE(avx512vnni)
FINEPRUNE_FEATURE(avx512vbmi)
FINEPRUNE_FEATURE(avx512bf16)
#undef FINEPRUNE_FEATURE

/// Some compilers that can compile for it do not ask the CPU for it.
inline bool has_avxvnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}

#elif defined(__aarch64__)

inline bool has_dotprod() {
#if defined(__APPLE__)
  return true;  // every CPU of theirs that this is compiled for
#elif defined(__linux__)
  constexpr unsigned long asimddp = 1ul << 20;
  return (getauxval(AT_HWCAP) & asimddp) != 0;
#else
  return false;
#endif
}

#endif

}  // namespace fineprune
