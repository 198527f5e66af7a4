#pragma once

#include <cstddef>
#include <span>

#include "stopwatch.hpp"

namespace fineprune {

/// Writes how long one phase after another took; without a place to write to it does nothing.
class PhaseClock {
 public:
  explicit PhaseClock(std::span<double> seconds = {}) : seconds_(seconds) {}

  void start() {
    if (!seconds_.empty()) last_ = seconds_of_thread();
  }

  /// Ends a phase, and begins the next one.
  void next() {
    if (seconds_.empty()) return;
    const double now = seconds_of_thread();
    seconds_[phase_++] = now - last_;
    last_ = now;
  }

 private:
  std::span<double> seconds_;
  std::size_t phase_ = 0;
  double last_ = 0;
};

}  // namespace fineprune
