#include <algorithm>
#include <string>
#include <vector>

#include "matrix.hpp"
#include "require.hpp"
#include "weight_groups.hpp"

namespace fineprune {
namespace {

template <class Element>
class DenseMatrix final : public Linear<Element> {
 public:
  DenseMatrix(const Kernels<Element>& kernels, int rows, int columns, const Values& values,
              std::span<const float> scales)
      : Linear<Element>(rows, columns, scales),
        kernels_(kernels),
        panels_((rows + kernels.panel_rows - 1) / kernels.panel_rows),
        row_groups_((columns + group_size - 1) / group_size) {
    require(size_of(values) == kept(), "expected " + std::to_string(kept()) + " values, got " +
                                           std::to_string(size_of(values)));
    groups_.resize(static_cast<std::size_t>(panels_) * kernels.panel_rows * row_groups_);
    fill(values);
  }

  std::size_t kept() const override {
    return static_cast<std::size_t>(this->rows()) * static_cast<std::size_t>(this->columns());
  }
  bool is_sparse() const override { return false; }
  std::size_t bytes() const override {
    return groups_.size() * sizeof(Group) + this->scale_bytes();
  }

  RowRange share(int part, int parts) const override {
    const auto first = [&](int p) {
      const std::int64_t panel = std::int64_t{panels_} * p / parts;
      return static_cast<int>(std::min<std::int64_t>(this->rows(), panel * kernels_.panel_rows));
    };
    return {first(part), first(part + 1)};
  }

  void apply(RowRange range, int width, const Element* input,
             Epilogue<Element> epilogue) const override {
    epilogue.scales = this->scales();
    kernels_.dense_linear({this->rows(), this->columns(), groups_.data()}, range, width, input,
                          epilogue);
  }

 private:
  using Group = typename Weights<Element>::Group;
  static constexpr int group_size = Weights<Element>::group_size;

  void fill(const Values& values) {
    const int height = kernels_.panel_rows;
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

  const Kernels<Element>& kernels_;
  int panels_;
  int row_groups_;
  std::vector<Group> groups_;
};

}  // namespace

template <class Element>
std::shared_ptr<const Linear<Element>> make_dense(const Kernels<Element>& kernels, int rows,
                                                  int columns, Values values,
                                                  std::span<const float> scales) {
  return std::make_shared<DenseMatrix<Element>>(kernels, rows, columns, values, scales);
}

template std::shared_ptr<const Linear<float>> make_dense(const Kernels<float>&, int, int, Values,
                                                         std::span<const float>);
template std::shared_ptr<const Linear<bfloat16>> make_dense(const Kernels<bfloat16>&, int, int,
                                                            Values, std::span<const float>);

}  // namespace fineprune
