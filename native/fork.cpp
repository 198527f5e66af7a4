#include "fork.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fineprune {
namespace {

std::atomic<unsigned> generation{0};

#if defined(__unix__) || defined(__APPLE__)
// Counted by the system's own call, not told apart by process ids: these are used again.
[[maybe_unused]] const int registered = pthread_atfork(
    nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
#endif

}  // namespace

unsigned fork_generation() { return generation.load(std::memory_order_relaxed); }

}  // namespace fineprune
