#pragma once
// Things that are worth keeping between uses, as long as they are small.

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace fineprune {

/// Unused things of one kind, for any number of threads. Together they take at most so many bytes:
/// what is more goes back to the system when it is put back.
///
/// `Thing` is made without arguments, and knows its `bytes()`.
template <class Thing>
class Shelf {
 public:
  explicit Shelf(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  /// One that was put back last, and is most likely still in cache; else a new one.
  std::unique_ptr<Thing> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!things_.empty()) {
        std::unique_ptr<Thing> thing = std::move(things_.back());
        things_.pop_back();
        bytes_ -= thing->bytes();
        return thing;
      }
    }
    return std::make_unique<Thing>();
  }

  void put_back(std::unique_ptr<Thing> thing) noexcept {
    const std::size_t bytes = thing->bytes();
    const std::lock_guard lock(mutex_);
    if (bytes_ + bytes > most_bytes_) return;  // the caller destroys `thing`, without the lock
    try {
      things_.push_back(std::move(thing));
      bytes_ += bytes;
    } catch (const std::bad_alloc&) {  // then it is not kept
    }
  }

 private:
  const std::size_t most_bytes_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Thing>> things_;
  std::size_t bytes_ = 0;
};

}  // namespace fineprune
