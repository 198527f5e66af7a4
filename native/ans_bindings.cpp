// The Python face of the entropy coder: checks dtypes, decodes without the GIL.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "ans_decoder.hpp"
#include "ans_encoder.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace fineprune {
namespace {

template <class Number>
using Numbers = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class Number>
using Result = nb::ndarray<nb::numpy, Number, nb::ndim<1>>;

template <class Number>
std::span<const Number> span_of(const Numbers<Number>& numbers) {
  return {numbers.data(), numbers.size()};
}

/// A NumPy array of numbers that `owner` holds; whatever is thrown on the way frees them.
template <class Number, class Owner>
Result<Number> array_of(std::unique_ptr<Owner> owner, Number* numbers, std::size_t size) {
  const nb::capsule capsule(owner.get(), [](void* held) noexcept {
    delete static_cast<Owner*>(held);
  });
  owner.release();
  return Result<Number>(numbers, {size}, capsule);
}

Result<std::uint8_t> decode(AnsDecoder& decoder, Numbers<std::uint16_t> frequencies,
                            std::size_t count) {
  using Buffer = std::unique_ptr<std::uint8_t[]>;
  auto symbols = std::make_unique<Buffer>(new std::uint8_t[count]);
  std::uint8_t* const data = symbols->get();
  {
    const nb::gil_scoped_release released;
    decoder.decode(span_of(frequencies), {data, count});
  }
  return array_of(std::move(symbols), data, count);
}

// Holds the GIL: two threads with one encoder take turns.
void encode(AnsEncoder& encoder, Numbers<std::uint16_t> frequencies,
            Numbers<std::uint8_t> symbols) {
  encoder.encode(span_of(frequencies), span_of(symbols));
}

Result<std::uint32_t> words(const AnsEncoder& encoder) {
  auto words = std::make_unique<std::vector<std::uint32_t>>(encoder.words());
  std::uint32_t* const data = words->data();
  const std::size_t size = words->size();
  return array_of(std::move(words), data, size);
}

}  // namespace

NB_MODULE(_ans, module) {
  nb::class_<AnsDecoder>(module, "AnsDecoder")
      .def(
          "__init__",
          [](AnsDecoder* self, Numbers<std::uint32_t> words) {
            new (self) AnsDecoder(span_of(words));
          },
          "words"_a.noconvert())
      .def("decode", &decode, "frequencies"_a.noconvert(), "count"_a)
      .def("is_empty", &AnsDecoder::is_empty);
  nb::class_<AnsEncoder>(module, "AnsEncoder")
      .def(nb::init<>())
      .def("encode", &encode, "frequencies"_a.noconvert(), "symbols"_a.noconvert())
      .def("words", &words);
}

}  // namespace fineprune
