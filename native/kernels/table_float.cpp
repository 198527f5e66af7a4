#include "attention_float.hpp"
#include "dense_linear.hpp"
#include "dense_token.hpp"
#include "elementwise.hpp"
#include "normalize.hpp"
#include "product_float.hpp"
#include "sparse_linear.hpp"

namespace fineprune::FINEPRUNE_ISA {

extern const Kernels<Float32> float_kernels;
const Kernels<Float32> float_kernels = {
    .panel_rows = panel_rows,
    .sparse_linear = sparse_linear<FloatProduct>,
    .dense_linear = dense_linear<FloatProduct>,
    .attention = attention,
    .normalize = normalize<float>,
    .multiply = multiply<float>,
    .rotate = rotate<float>,
    .own = {.dense_token = dense_token},
};

}  // namespace fineprune::FINEPRUNE_ISA
