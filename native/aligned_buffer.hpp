#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fineprune {

/// Memory on a cache line's boundary that only ever grows. Growing forgets the content: it starts
/// as zeros, so that lanes that no token fills hold finite numbers.
///
/// Large buffers take whole huge pages, where the system gives them to those who ask: activations are
/// read in no order, and to find their small pages took a tenth of an encoder's time.
template <class Element>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size) { reserve(size); }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&&) = delete;
  ~AlignedBuffer() { release(); }

  void reserve(std::size_t size) {
    if (size <= size_) return;
    release();
    const std::size_t page = page_for(size);
    const std::size_t bytes = (size * sizeof(Element) + page - 1) / page * page;
    void* const memory = ::operator new(bytes, std::align_val_t{page});
#if defined(__linux__)
    if (page == huge_page) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: it may fail
#endif
    std::memset(memory, 0, bytes);
    data_ = static_cast<Element*>(memory);
    size_ = size;
  }

  Element* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t cache_line = 64;
  static constexpr std::size_t huge_page = std::size_t{1} << 21;

  /// What memory for so many elements is aligned to, and a multiple of.
  static constexpr std::size_t page_for(std::size_t size) {
    return size * sizeof(Element) < huge_page / 4 ? cache_line : huge_page;
  }

  void release() {
    ::operator delete(data_, std::align_val_t{page_for(size_)});
    data_ = nullptr;
    size_ = 0;
  }

  Element* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fineprune
