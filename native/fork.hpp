#pragma once
// A fork copies a process's memory but only the thread that called it: workers are gone in the child,
// and what other threads had locked or were changing stays as it was at that moment, for ever.

#include <atomic>
#include <memory>
#include <utility>

namespace fineprune {

/// How many forks lie between this process and the one that loaded the library.
unsigned fork_generation();

/// What the threads of one process share, made anew in each child that uses it. A child never
/// touches its parent's: it may be locked, and its threads do not exist. That memory is lost to the
/// child, and costs nothing: its pages stay the parent's as long as nobody writes to them.
///
/// `Make` is a function object that makes a `Part`; what it throws reaches whoever asked.
template <class Part, class Make>
class PerProcess {
 public:
  explicit PerProcess(Make make)
      : make_(std::move(make)), copy_(new Copy{fork_generation(), make_()}) {}
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;
  ~PerProcess() {
    const Copy* const copy = copy_.load(std::memory_order_acquire);
    if (copy->generation == fork_generation()) delete copy;
  }

  Part& get() {
    Copy* copy = copy_.load(std::memory_order_acquire);
    const unsigned generation = fork_generation();
    if (copy->generation == generation) return *copy->part;
    std::unique_ptr<Copy> fresh(new Copy{generation, make_()});
    // Another thread of the child may be here as well: the first one's stays.
    if (copy_.compare_exchange_strong(copy, fresh.get(), std::memory_order_acq_rel))
      return *fresh.release()->part;
    return *copy->part;
  }

 private:
  struct Copy {
    unsigned generation;
    std::unique_ptr<Part> part;
  };

  Make make_;
  std::atomic<Copy*> copy_;
};

}  // namespace fineprune
