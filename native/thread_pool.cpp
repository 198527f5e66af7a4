#include "thread_pool.hpp"

#include <string>
#include <system_error>

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

/// A thread of a pool, and what it is told.
struct Crew::Worker {
  alignas(64) std::atomic<unsigned> started{0};  ///< one more for each piece of work
  const std::function<void(int)>* work = nullptr;  ///< null: end
  Crew* crew = nullptr;
  int number = 0;  ///< in that crew
  std::thread thread;

  void serve() {
    for (unsigned seen = 0;; ++seen) {
      wait_for_change(started, seen);
      if (work == nullptr) return;
      // The next work may be told as soon as the last thread has come to the barrier.
      Crew& mine = *crew;
      const int threads = mine.threads();
      (*work)(number);
      mine.barrier_.wait(threads);
    }
  }

  void start() {
    started.fetch_add(1, std::memory_order_release);
    started.notify_one();
  }
};

Team Crew::team(int thread, int teams) {
  const int size = threads() / teams;
  const int index = thread / size;
  if (index >= teams) return {index, 0, 0, thread, nullptr};
  return {index, thread % size, size, index * size, &team_barriers_[index]};
}

void Crew::run(const std::function<void(int)>& work) {
  int number = 0;
  for (Worker* const worker : workers_) {
    worker->work = &work;
    worker->crew = this;
    worker->number = ++number;
    worker->start();
  }
  work(0);
  wait();
}

ThreadPool::ThreadPool(int threads) : threads_(threads) {
  try {
    for (int i = 1; i < threads; ++i) {
      workers_.push_back(std::make_unique<Crew::Worker>());
      Crew::Worker* const worker = workers_.back().get();
      idle_.push_back(worker);
      worker->thread = std::thread([worker] { worker->serve(); });
    }
  } catch (const std::system_error& error) {
    stop();
    throw ThreadsError("the engine needs " + std::to_string(threads - 1) +
                       " threads beside its caller's, and the system started " +
                       std::to_string(workers_.size() - 1) + " (" + error.code().message() +
                       "): pass a smaller number of threads, or raise the limit on the memory or "
                       "the threads of this process");
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  for (const auto& worker : workers_) {
    if (!worker->thread.joinable()) continue;  // it never started
    worker->work = nullptr;
    worker->start();
    worker->thread.join();
  }
}

Crew& ThreadPool::hire() {
  const std::lock_guard lock(mutex_);
  if (free_crews_.empty()) {
    free_crews_.reserve(crews_.size() + 1);  // for all of them: dismissing must not fail
    crews_.push_back(std::unique_ptr<Crew>(new Crew(threads_)));
    crews_.back()->workers_.reserve(workers_.size());
    free_crews_.push_back(crews_.back().get());
  }
  Crew& crew = *free_crews_.back();
  free_crews_.pop_back();
  crowd_ = std::max(static_cast<float>(++callers_), 0.75f * crowd_);
  const int share = threads_ / static_cast<int>(crowd_ + 0.5f);
  const int lent = std::max(0, std::min(share, threads_ - busy_) - 1);
  crew.workers_.assign(idle_.end() - lent, idle_.end());
  idle_.resize(idle_.size() - static_cast<std::size_t>(lent));
  busy_ += crew.threads();
  return crew;
}

void ThreadPool::dismiss(Crew& crew) noexcept {
  const std::lock_guard lock(mutex_);
  --callers_;
  busy_ -= crew.threads();
  idle_.insert(idle_.end(), crew.workers_.begin(), crew.workers_.end());
  free_crews_.push_back(&crew);
}

}  // namespace fineprune
