#pragma once

#include <stdexcept>
#include <string>

namespace fineprune {

/// Turns a caller's mistake away. The Python face makes a ValueError of it.
[[noreturn]] inline void refuse(const std::string& message) {
  throw std::invalid_argument(message);
}

/// The same, as a condition that a caller has to keep to. It makes its message in any case: in a
/// loop, and wherever nothing may be allocated, ask first and then refuse.
inline void require(bool condition, const std::string& message) {
  if (!condition) refuse(message);
}

}  // namespace fineprune
