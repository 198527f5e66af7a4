#pragma once

#include <stdexcept>
#include <string>

namespace fineprune {

/// What a caller has to keep to. The Python face turns it into a ValueError.
inline void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

}  // namespace fineprune
