#pragma once
// Threads that stay, a barrier that spins before it sleeps, and two ways to share work.

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace fineprune {

/// Where threads wait for each other. The wait is a few microseconds when the work was split well,
/// less than it takes to put a thread to sleep and wake it: so threads spin first. They sleep after
/// that, for whoever else wants the core.
class Barrier {
 public:
  /// Returns when `threads` threads have called it.
  void wait(int threads);

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
};

/// Numbered pieces of work: each goes to whichever thread asks next.
class WorkQueue {
 public:
  void reset() { next_.store(0, std::memory_order_relaxed); }

  template <class Work>
  void drain(int count, const Work& work) {
    for (int i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count;) work(i);
  }

  /// The same, in runs of pieces: long ones at first, for whoever gains from doing neighbours one
  /// after another, and single ones at last, so that all threads end at about the same time.
  template <class Work>
  void drain_runs(int count, int threads, const Work& work) {
    for (int i = next_.load(std::memory_order_relaxed); i < count;) {
      const int end = i + std::max(1, (count - i) / (4 * threads));
      if (!next_.compare_exchange_weak(i, end, std::memory_order_relaxed)) continue;
      for (; i < end; ++i) work(i);
      i = next_.load(std::memory_order_relaxed);
    }
  }

 private:
  alignas(64) std::atomic<int> next_{0};
};

/// Threads that do one piece of work together, each a share of it.
class Team {
 public:
  /// A thread on its own.
  static Team alone(int thread) { return {0, 0, 1, thread, nullptr}; }

  Team(int index, int member, int members, int scratch, Barrier* barrier)
      : index_(index), member_(member), members_(members), scratch_(scratch), barrier_(barrier) {}

  int index() const { return index_; }      ///< of the team among teams
  int member() const { return member_; }
  int members() const { return members_; }  ///< 0: this thread is in no team
  int scratch() const { return scratch_; }  ///< a thread's number, the same for all members
  bool leads() const { return member_ == 0; }
  void wait() const {
    if (barrier_ != nullptr) barrier_->wait(members_);
  }

 private:
  int index_;
  int member_;
  int members_;
  int scratch_;
  Barrier* barrier_;
};

/// `threads - 1` threads that wait for work, and the caller, who takes part in it.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  Barrier& barrier() { return barrier_; }

  /// The team of a thread, of `teams` teams of equal size, at most one a thread.
  Team team(int thread, int teams);

  /// Runs `work(thread)` once on each thread, 0 being the caller; returns when all are done.
  /// `work` must not throw.
  void run(const std::function<void(int)>& work);

 private:
  void serve(int thread);

  const int threads_;
  Barrier barrier_;
  std::vector<Barrier> team_barriers_;
  const std::function<void(int)>* work_ = nullptr;
  bool stopping_ = false;
  alignas(64) std::atomic<unsigned> started_{0};
  std::vector<std::thread> workers_;
};

}  // namespace fineprune
