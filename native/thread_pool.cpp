#include "thread_pool.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fineprune {
namespace {

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns when `value` is no longer `old`: spins for about a hundred microseconds, then sleeps.
void wait_for_change(const std::atomic<unsigned>& value, unsigned old) {
  constexpr int spins = 8000;
  for (int spin = 0; spin < spins; ++spin) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

void Barrier::wait(int threads) {
  if (threads == 1) return;
  const unsigned round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    round_.notify_all();
  } else {
    wait_for_change(round_, round);
  }
}

ThreadPool::ThreadPool(int threads)
    : threads_(threads), team_barriers_(static_cast<std::size_t>(threads)) {
  for (int thread = 1; thread < threads; ++thread)
    workers_.emplace_back([this, thread] { serve(thread); });
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  started_.fetch_add(1, std::memory_order_release);
  started_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

Team ThreadPool::team(int thread, int teams) {
  const int size = threads_ / teams;
  const int index = thread / size;
  if (index >= teams) return {index, 0, 0, thread, nullptr};
  return {index, thread % size, size, index * size, &team_barriers_[index]};
}

void ThreadPool::run(const std::function<void(int)>& work) {
  work_ = &work;
  started_.fetch_add(1, std::memory_order_release);
  started_.notify_all();
  work(0);
  barrier_.wait(threads_);
}

void ThreadPool::serve(int thread) {
  for (unsigned seen = 0;; ++seen) {
    wait_for_change(started_, seen);
    if (stopping_) return;
    (*work_)(thread);
    barrier_.wait(threads_);
  }
}

}  // namespace fineprune
