// The Python face of the decoder: checks dtypes, releases the GIL.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>

#include "ans_decoder.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace fineprune {
namespace {

template <class Number>
using Numbers = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Symbols = nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<1>>;

Symbols decode(AnsDecoder& decoder, Numbers<std::uint16_t> frequencies, std::size_t count) {
  auto* const symbols = new std::uint8_t[count];
  const nb::capsule owner(symbols, [](void* array) noexcept {
    delete[] static_cast<std::uint8_t*>(array);
  });
  {
    const nb::gil_scoped_release released;
    decoder.decode({frequencies.data(), frequencies.size()}, {symbols, count});
  }
  return Symbols(symbols, {count}, owner);
}

}  // namespace

NB_MODULE(_ans, module) {
  nb::class_<AnsDecoder>(module, "AnsDecoder")
      .def(
          "__init__",
          [](AnsDecoder* self, Numbers<std::uint32_t> words) {
            new (self) AnsDecoder({words.data(), words.size()});
          },
          "words"_a.noconvert())
      .def("decode", &decode, "frequencies"_a.noconvert(), "count"_a)
      .def("is_empty", &AnsDecoder::is_empty);
}

}  // namespace fineprune
