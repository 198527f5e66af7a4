#pragma once

#include <cstddef>
#include <cstring>
#include <new>

namespace fineprune {

/// Memory on a cache line's boundary that only ever grows. Growing forgets the content: it starts
/// as zeros, so that lanes that no token fills hold finite numbers.
template <class Element>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size) { reserve(size); }
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  AlignedBuffer& operator=(AlignedBuffer&&) = delete;
  ~AlignedBuffer() { release(); }

  void reserve(std::size_t size) {
    if (size <= size_) return;
    release();
    data_ = static_cast<Element*>(::operator new(size * sizeof(Element), alignment));
    std::memset(static_cast<void*>(data_), 0, size * sizeof(Element));
    size_ = size;
  }

  Element* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::align_val_t alignment{64};

  void release() {
    ::operator delete(data_, alignment);
    data_ = nullptr;
    size_ = 0;
  }

  Element* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fineprune
