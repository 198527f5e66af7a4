#pragma once
// Threads that stay and are lent, a barrier that spins before it sleeps, and two ways to share work.

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
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

class ThreadPool;

/// The threads of one piece of work: the caller's, and workers that the pool has lent it.
class Crew {
 public:
  int threads() const { return 1 + static_cast<int>(workers_.size()); }

  /// Where all threads of the crew wait for each other.
  void wait() { barrier_.wait(threads()); }

  /// The team of a thread, of `teams` teams of equal size, at most one a thread.
  Team team(int thread, int teams);

  /// Runs `work(thread)` once on each thread, 0 being the caller; returns when all are done.
  /// `work` must not throw.
  void run(const std::function<void(int)>& work);

 private:
  friend class ThreadPool;
  explicit Crew(int most_threads) : team_barriers_(static_cast<std::size_t>(most_threads)) {}

  struct Worker;
  std::vector<Worker*> workers_;
  Barrier barrier_;
  std::vector<Barrier> team_barriers_;
};

/// The system does not start as many threads as are needed.
class ThreadsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `threads - 1` workers that wait for work, lent to callers. A caller on its own gets all of them;
/// several get a fair share of those that are free, and work alone where none is. Nobody waits for a
/// worker: many callers on their own threads share the cores in the better way, without barriers.
class ThreadPool {
 public:
  /// Throws ThreadsError where the system does not start so many; those that it did are ended.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// A crew as long as it is held.
  class Hired {
   public:
    explicit Hired(ThreadPool& pool) : pool_(pool), crew_(pool.hire()) {}
    ~Hired() { pool_.dismiss(crew_); }
    Hired(const Hired&) = delete;
    Hired& operator=(const Hired&) = delete;

    Crew& operator*() const { return crew_; }
    Crew* operator->() const { return &crew_; }

   private:
    ThreadPool& pool_;
    Crew& crew_;
  };

 private:
  Crew& hire();
  void dismiss(Crew& crew) noexcept;
  void stop();

  const int threads_;
  std::mutex mutex_;  // of all that follows
  int callers_ = 0;
  int busy_ = 0;  // threads at work, callers included
  // How many callers there have been at a time of late. Between two calls, each of many callers may
  // for a moment be the only one.
  float crowd_ = 0.0f;
  std::vector<Crew::Worker*> idle_;
  std::vector<Crew*> free_crews_;
  // A thread may still be on its way out of a crew's barrier when the crew has gone on: crews and
  // workers live as long as the pool.
  std::vector<std::unique_ptr<Crew>> crews_;
  std::vector<std::unique_ptr<Crew::Worker>> workers_;
};

}  // namespace fineprune
