#pragma once
// A linear whose parts are known to fit together.

#include <memory>
#include <string>
#include <vector>

#include "matrix.hpp"
#include "program.hpp"
#include "require.hpp"
#include "thread_pool.hpp"

namespace fineprune {

/// An Affine whose matrix is known to be for an arithmetic, or for the exact one beside codes of 8 bits.
template <class Arithmetic>
class BoundAffine {
 public:
  BoundAffine(Affine affine, const std::string& name, int rows, int columns)
      : matrix_(std::move(affine.weight)),
        weight_(dynamic_cast<const Linear<Arithmetic>*>(matrix_.get())),
        bias_(std::move(affine.bias)) {
    if constexpr (is_int8<Arithmetic>)
      exact_ = dynamic_cast<const Linear<typename Arithmetic::Exact>*>(matrix_.get());
    require(weight_ != nullptr || is_exact(),
            name + " was prepared for another precision");
    require(matrix_->rows() == rows && matrix_->columns() == columns,
            name + " must be of shape (" + std::to_string(rows) + ", " +
                std::to_string(columns) + "), got (" + std::to_string(matrix_->rows()) + ", " +
                std::to_string(matrix_->columns()) + ")");
    require(bias_.size() == static_cast<std::size_t>(rows),
            name + " needs " + std::to_string(rows) + " biases, got " +
                std::to_string(bias_.size()));
  }

  /// The rows of a member of a team; the other members have the others.
  RowRange share(const Team& team) const { return matrix_->share(team.member(), team.members()); }

  /// This member's rows of one tile.
  void apply(const Team& team, int width, const InputTile<Arithmetic>& input,
             Epilogue<typename Arithmetic::State> epilogue) const {
    epilogue.bias = bias_.data();
    if constexpr (is_int8<Arithmetic>)
      if (is_exact()) return exact_->apply(share(team), width, {input.state}, epilogue);
    weight_->apply(share(team), width, input, epilogue);
  }

  int rows() const { return matrix_->rows(); }

  /// Whether it reads the state of activations, beside others that read codes of it.
  bool is_exact() const {
    if constexpr (is_int8<Arithmetic>) return exact_ != nullptr;
    return false;
  }

 private:
  struct Nothing {};
  template <class One, bool int8 = is_int8<One>>
  struct ExactOf {
    using Type = Nothing;
  };
  template <class One>
  struct ExactOf<One, true> {
    using Type = Linear<typename One::Exact>;
  };

  std::shared_ptr<const Matrix> matrix_;
  const Linear<Arithmetic>* weight_;
  const typename ExactOf<Arithmetic>::Type* exact_ = nullptr;
  std::vector<float> bias_;
};

}  // namespace fineprune
