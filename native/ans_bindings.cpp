// The Python face of the entropy coder: checks dtypes, decodes without the GIL.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
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
std::span<const Number> span_of(const Numbers<Number>& numbers) {
  return {numbers.data(), numbers.size()};
}

using Symbols = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void decode(AnsDecoder& decoder, Numbers<std::uint16_t> frequencies, Symbols symbols) {
  const nb::gil_scoped_release released;
  decoder.decode(span_of(frequencies), {symbols.data(), symbols.size()});
}

// Holds the GIL: two threads with one encoder take turns.
void encode(AnsEncoder& encoder, Numbers<std::uint16_t> frequencies,
            Numbers<std::uint8_t> symbols) {
  encoder.encode(span_of(frequencies), span_of(symbols));
}

nb::ndarray<nb::numpy, std::uint32_t, nb::ndim<1>> words(const AnsEncoder& encoder) {
  auto words = std::make_unique<std::vector<std::uint32_t>>(encoder.words());
  std::uint32_t* const data = words->data();
  const std::size_t size = words->size();
  const nb::capsule owner(words.get(), [](void* held) noexcept {
    delete static_cast<std::vector<std::uint32_t>*>(held);
  });
  words.release();
  return {data, {size}, owner};
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
      .def("decode", &decode, "frequencies"_a.noconvert(), "symbols"_a.noconvert())
      .def("is_empty", &AnsDecoder::is_empty);
  nb::class_<AnsEncoder>(module, "AnsEncoder")
      .def(nb::init<>())
      .def("encode", &encode, "frequencies"_a.noconvert(), "symbols"_a.noconvert())
      .def("words", &words);
}

}  // namespace fineprune
