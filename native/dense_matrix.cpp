#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "matrix.hpp"
#include "require.hpp"
#include "weight_groups.hpp"

namespace fineprune {
namespace {

template <class Arithmetic>
class DenseMatrix final : public Linear<Arithmetic> {
 public:
  DenseMatrix(const Kernels<Arithmetic>& kernels, int rows, int columns, const Values& values,
              std::span<const float> scales, std::vector<float> code_sums = {})
      : Linear<Arithmetic>(kernels, rows, columns, scales),
        code_sums_(std::move(code_sums)),
        panels_((rows + kernels.panel_rows - 1) / kernels.panel_rows),
        row_groups_((columns + group_size - 1) / group_size) {
    const std::size_t height = static_cast<std::size_t>(kernels.panel_rows);
    groups_.resize(panels_ * height * row_groups_ + height);  // with room to read behind them
    fill(values);
  }

  std::size_t kept() const override {
    return static_cast<std::size_t>(this->rows()) * static_cast<std::size_t>(this->columns());
  }
  bool is_sparse() const override { return false; }
  std::size_t bytes() const override {
    return groups_.size() * sizeof(Group) + code_sums_.size() * sizeof(float) +
           this->scale_bytes();
  }

  RowRange share(int part, int parts) const override {
    const auto first = [&](int p) {
      const std::int64_t panel = std::int64_t{panels_} * p / parts;
      return static_cast<int>(std::min<std::int64_t>(this->rows(), panel * this->kernels_.panel_rows));
    };
    return {first(part), first(part + 1)};
  }

  void apply(RowRange range, int width, const InputTile<Arithmetic>& input,
             Epilogue<typename Arithmetic::State> epilogue) const override {
    epilogue.scales = this->scales();
    epilogue.code_sums = code_sums_.data();
    this->kernels_.dense_linear({this->rows(), this->columns(), groups_.data()}, range, width, input,
                          epilogue);
  }

 protected:
  bool multiply_token([[maybe_unused]] const float* token,
                      [[maybe_unused]] float* output) const override {
    if constexpr (std::is_same_v<Arithmetic, Float32>) {
      this->kernels_.own.dense_token({this->rows(), this->columns(), groups_.data()}, token, output);
      for (int row = 0; this->scales() != nullptr && row < this->rows(); ++row)
        output[row] *= this->scales()[row];
      return true;
    } else {
      return false;
    }
  }

 private:
  using Group = typename Arithmetic::Group;
  static constexpr int group_size = Arithmetic::group_size;

  void fill(const Values& values) {
    const int height = this->kernels_.panel_rows;
    for (int row = 0; row < this->rows(); ++row) {
      Group* const panel =
          groups_.data() + static_cast<std::size_t>(row / height * height) * row_groups_;
      for (int column = 0; column < this->columns(); ++column) {
        const std::size_t index = static_cast<std::size_t>(row) * this->columns() + column;
        const std::size_t place =
            static_cast<std::size_t>(column / group_size) * height + row % height;
        set_weight(value_at(values, index), column % group_size, panel[place]);
      }
    }
  }

  std::vector<float> code_sums_;
  int panels_;
  int row_groups_;
  std::vector<Group> groups_;
};

}  // namespace

template <class Arithmetic>
std::shared_ptr<const Linear<Arithmetic>> make_dense(const Kernels<Arithmetic>& kernels, int rows,
                                                     int columns, Values values,
                                                     std::span<const float> scales) {
  check_shape(rows, columns, scales);
  const std::size_t kept = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  require(size_of(values) == kept, "expected " + std::to_string(kept) + " values, got " +
                                       std::to_string(size_of(values)));
  if constexpr (is_int8<Arithmetic>) {
    check_int8_columns(columns);
    RowCodes codes(rows, values, scales, [columns](int row) {
      return (static_cast<std::size_t>(row) + 1) * static_cast<std::size_t>(columns);
    });
    return std::make_shared<DenseMatrix<Arithmetic>>(kernels, rows, columns, codes.codes(),
                                                     codes.scales(), std::move(codes.sums()));
  } else {
    return std::make_shared<DenseMatrix<Arithmetic>>(kernels, rows, columns, values, scales);
  }
}

template std::shared_ptr<const Linear<Float32>> make_dense(const Kernels<Float32>&, int, int,
                                                           Values, std::span<const float>);
template std::shared_ptr<const Linear<Bfloat16>> make_dense(const Kernels<Bfloat16>&, int, int,
                                                            Values, std::span<const float>);
template std::shared_ptr<const Linear<Int8<float>>> make_dense(const Kernels<Int8<float>>&, int,
                                                               int, Values,
                                                               std::span<const float>);
template std::shared_ptr<const Linear<Int8<bfloat16>>> make_dense(const Kernels<Int8<bfloat16>>&,
                                                                  int, int, Values,
                                                                  std::span<const float>);

}  // namespace fineprune
