#pragma once

#include <cstddef>
#include <cstdint>
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
/// read in no order, and to find their small pages took a tenth of an encoder's time. On Linux they
/// come from the system itself, and go back to it at once: an allocator might keep them.
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
    data_ = static_cast<Element*>(is_large(size) ? allocate_pages(bytes_for(size))
                                                 : allocate(bytes_for(size)));
    size_ = size;
  }

  Element* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ == 0 ? 0 : bytes_for(size_); }

 private:
  static constexpr std::size_t cache_line = 64;
  static constexpr std::size_t huge_page = std::size_t{1} << 21;

  static constexpr bool is_large(std::size_t size) {
    return size * sizeof(Element) >= huge_page / 4;
  }
  static constexpr std::size_t bytes_for(std::size_t size) {
    const std::size_t page = is_large(size) ? huge_page : cache_line;
    return (size * sizeof(Element) + page - 1) / page * page;
  }

  static void* allocate(std::size_t bytes, std::size_t alignment = cache_line) {
    void* const memory = ::operator new(bytes, std::align_val_t{alignment});
    std::memset(memory, 0, bytes);
    return memory;
  }

#if defined(__linux__)
  /// Zeros, as the system gives them. It aligns to small pages: what stands over at both ends is
  /// given back.
  static void* allocate_pages(std::size_t bytes) {
    const std::size_t mapped = bytes + huge_page;
    void* const memory =
        mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    char* const begin = static_cast<char*>(memory);
    const std::size_t before =
        (huge_page - reinterpret_cast<std::uintptr_t>(begin) % huge_page) % huge_page;
    if (before > 0) munmap(begin, before);
    if (before < huge_page) munmap(begin + before + bytes, huge_page - before);
    madvise(begin + before, bytes, MADV_HUGEPAGE);  // a wish: it may fail
    return begin + before;
  }
  static void release_pages(void* memory, std::size_t bytes) { munmap(memory, bytes); }
#else
  static void* allocate_pages(std::size_t bytes) { return allocate(bytes, huge_page); }
  static void release_pages(void* memory, std::size_t) {
    ::operator delete(memory, std::align_val_t{huge_page});
  }
#endif

  void release() {
    if (is_large(size_))
      release_pages(data_, bytes_for(size_));
    else
      ::operator delete(data_, std::align_val_t{cache_line});
    data_ = nullptr;
    size_ = 0;
  }

  Element* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fineprune
