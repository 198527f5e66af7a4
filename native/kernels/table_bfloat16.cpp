#include "attention_bfloat16.hpp"
#include "dense_linear.hpp"
#include "elementwise.hpp"
#include "normalize.hpp"
#include "product_bfloat16.hpp"
#include "sparse_linear.hpp"

namespace fineprune::FINEPRUNE_ISA {

extern const Kernels<Bfloat16> bfloat16_kernels;
const Kernels<Bfloat16> bfloat16_kernels = {
    .panel_rows = panel_rows,
    .sparse_linear = sparse_linear<Bfloat16Product>,
    .dense_linear = dense_linear<Bfloat16Product>,
    .attention = attention,
    .normalize = normalize<bfloat16>,
    .multiply = multiply<bfloat16>,
    .rotate = rotate<bfloat16>,
};

}  // namespace fineprune::FINEPRUNE_ISA
