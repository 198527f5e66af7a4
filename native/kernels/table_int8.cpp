#if defined(__AVX512BF16__)
#include "attention_bfloat16.hpp"
#else
#include "attention_float.hpp"
#endif
#include "dense_linear.hpp"
#include "normalize.hpp"
#include "product_int8.hpp"
#include "quantize.hpp"
#include "sparse_linear.hpp"

namespace fineprune::FINEPRUNE_ISA {

#if defined(__AVX512BF16__)
using State = bfloat16;
#else
using State = float;
#endif

extern const Kernels<Int8<State>> int8_kernels;
const Kernels<Int8<State>> int8_kernels = {
    .panel_rows = panel_rows,
    .sparse_linear = sparse_linear<Int8Product<State>>,
    .dense_linear = dense_linear<Int8Product<State>>,
    .attention = attention,
    .normalize = normalize<State>,
    .own = {.quantize_floats = quantize<float>, .quantize_state = quantize<State>},
};

}  // namespace fineprune::FINEPRUNE_ISA
