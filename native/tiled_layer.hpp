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

/// An Affine whose matrix is known to take `Element`.
template <class Element>
class BoundAffine {
 public:
  BoundAffine(Affine affine, const char* name, int rows, int columns)
      : weight_(std::dynamic_pointer_cast<const Linear<Element>>(affine.weight)),
        bias_(std::move(affine.bias)) {
    require(weight_ != nullptr, std::string(name) + " was prepared for another precision");
    require(weight_->rows() == rows && weight_->columns() == columns,
            std::string(name) + " must be of shape (" + std::to_string(rows) + ", " +
                std::to_string(columns) + "), got (" + std::to_string(weight_->rows()) + ", " +
                std::to_string(weight_->columns()) + ")");
    require(bias_.size() == static_cast<std::size_t>(rows),
            std::string(name) + " needs " + std::to_string(rows) + " biases, got " +
                std::to_string(bias_.size()));
  }

  /// The rows of a member of a team; the other members have the others.
  RowRange share(const Team& team) const { return weight_->share(team.member(), team.members()); }

  /// This member's rows of one tile.
  void apply(const Team& team, int width, const Element* input, Epilogue<Element> epilogue) const {
    epilogue.bias = bias_.data();
    weight_->apply(share(team), width, input, epilogue);
  }

  int rows() const { return weight_->rows(); }

 private:
  std::shared_ptr<const Linear<Element>> weight_;
  std::vector<float> bias_;
};

inline void check_norm(const Norm& norm, const char* name, int size) {
  require(norm.weight.size() == static_cast<std::size_t>(size) &&
              norm.bias.size() == static_cast<std::size_t>(size),
          std::string(name) + " needs " + std::to_string(size) + " weights and biases, got " +
              std::to_string(norm.weight.size()) + " and " + std::to_string(norm.bias.size()));
}

template <class Element>
struct TiledLayer {
  BoundAffine<Element> query, key, value, output;
  Norm attention_norm;
  BoundAffine<Element> up, down;
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

 private:
  static BoundAffine<Element> checked_up(Layer& layer, int hidden) {
    const int intermediate = layer.up.weight->rows();
    return {std::move(layer.up), "up", intermediate, hidden};
  }
};

}  // namespace fineprune
