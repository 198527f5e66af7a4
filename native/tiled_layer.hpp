#pragma once
// A layer whose parts are known to fit together.

#include <memory>
#include <string>
#include <vector>

#include "encoder.hpp"
#include "matrix.hpp"
#include "require.hpp"
#include "thread_pool.hpp"

namespace fineprune {

/// An Affine whose matrix is known to be for an arithmetic, or for the exact one beside codes of 8 bits.
template <class Arithmetic>
class BoundAffine {
 public:
  BoundAffine(Affine affine, const char* name, int rows, int columns)
      : matrix_(std::move(affine.weight)),
        weight_(dynamic_cast<const Linear<Arithmetic>*>(matrix_.get())),
        bias_(std::move(affine.bias)) {
    if constexpr (is_int8<Arithmetic>)
      exact_ = dynamic_cast<const Linear<typename Arithmetic::Exact>*>(matrix_.get());
    require(weight_ != nullptr || is_exact(),
            std::string(name) + " was prepared for another precision");
    require(matrix_->rows() == rows && matrix_->columns() == columns,
            std::string(name) + " must be of shape (" + std::to_string(rows) + ", " +
                std::to_string(columns) + "), got (" + std::to_string(matrix_->rows()) + ", " +
                std::to_string(matrix_->columns()) + ")");
    require(bias_.size() == static_cast<std::size_t>(rows),
            std::string(name) + " needs " + std::to_string(rows) + " biases, got " +
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

inline void check_norm(const Norm& norm, const char* name, int size) {
  require(norm.weight.size() == static_cast<std::size_t>(size) &&
              norm.bias.size() == static_cast<std::size_t>(size),
          std::string(name) + " needs " + std::to_string(size) + " weights and biases, got " +
              std::to_string(norm.weight.size()) + " and " + std::to_string(norm.bias.size()));
}

template <class Arithmetic>
struct TiledLayer {
  BoundAffine<Arithmetic> query, key, value, output;
  Norm attention_norm;
  BoundAffine<Arithmetic> up, down;
  Norm output_norm;

  TiledLayer(Layer layer, int hidden)
      : query(std::move(layer.query), "query", hidden, hidden),
        key(std::move(layer.key), "key", hidden, hidden),
        value(std::move(layer.value), "value", hidden, hidden),
        output(std::move(layer.output), "output", hidden, hidden),
        attention_norm(std::move(layer.attention_norm)),
        up(checked_up(layer, hidden)),
        down(std::move(layer.down), "down", hidden, up.rows()),
        output_norm(std::move(layer.output_norm)) {
    check_norm(attention_norm, "attention_norm", hidden);
    check_norm(output_norm, "output_norm", hidden);
  }

  /// Whether any linear of the stream of hidden states reads more than codes.
  bool reads_state() const {
    return query.is_exact() || key.is_exact() || value.is_exact() || up.is_exact();
  }

 private:
  static BoundAffine<Arithmetic> checked_up(Layer& layer, int hidden) {
    const int intermediate = layer.up.weight->rows();
    return {std::move(layer.up), "up", intermediate, hidden};
  }
};

}  // namespace fineprune
