#if defined(__AVX512BF16__)
#include "attention_bfloat16.hpp"
#else
#include "attention_float.hpp"
#endif
#include "dense_linear.hpp"
#include "elementwise.hpp"
#include "normalize.hpp"
#include "product_int8.hpp"
#include "quantize.hpp"
#include "sparse_linear.hpp"

namespace fineprune::FINEPRUNE_ISA {

#if defined(__AVX512BF16__)
using State = bfloat16;
#define FINEPRUNE_NAME int8_bfloat16_kernels
#else
using State = float;
#define FINEPRUNE_NAME int8_kernels
#endif

extern const Kernels<Int8<State>> FINEPRUNE_NAME;
const Kernels<Int8<State>> FINEPRUNE_NAME = {
    .panel_rows = panel_rows,
    .sparse_linear = sparse_linear<Int8Product<State, Weights::sparse>>,
    .dense_linear = dense_linear<Int8Product<State, Weights::dense>>,
    .attention = attention,
    .normalize = normalize<State>,
    .multiply = multiply<State>,
    .rotate = rotate<State>,
    .own = {.quantize_floats = quantize<float>,
            .quantize_state = quantize<State>,
            .adds_pairs_in_16_bits = adds_pairs_in_16_bits},
};

}  // namespace fineprune::FINEPRUNE_ISA
