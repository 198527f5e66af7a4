#pragma once
// What an encoder computes: steps over named buffers, each of which holds features of every token.
//
// A buffer that a step gathers, normalizes, or adds into is kept in float32, as a norm reads it; others are kept in the
// type of activations, which attention and linears read. Its size is that of what is first written.

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "embedding.hpp"
#include "matrix.hpp"

namespace fineprune {

/// Numbers that come with each token.
enum class Ids { tokens, positions, types };

struct Lookup {
  Ids ids;
  std::shared_ptr<const Embedding> table;
};

/// target = the sum of a row of each table.
struct GatherStep {
  std::string target;
  std::vector<Lookup> tables;
};

/// target = LayerNorm(source).
struct NormalizeStep {
  std::string source, target;
  std::vector<float> weight, bias;
  float epsilon;
};

struct Affine {
  std::shared_ptr<const Matrix> weight;
  std::vector<float> bias;
};

/// target = activation(affine(source)), or target += that.
struct LinearStep {
  std::string source, target;
  Affine affine;
  Activation activation = Activation::none;
  bool adds = false;
};

/// target *= source.
struct MultiplyStep {
  std::string source, target;
};

/// Turns pairs of features of each head, the first half of them with the second, by angles whose
/// cosines, and after them sines, are half a head's features each.
struct RotateStep {
  std::string target, angles;
  int heads;
};

/// target = what a token and its neighbours have in source, `width` tokens with it in the middle, zeros
/// where none stands: feature f of the n-th of them is feature `f * width + n`.
struct NeighboursStep {
  std::string source, target;
  int width;
};

/// What is multiplied with queries and with keys, by distance: features of rows of two tables.
struct DistanceFeatures {
  std::vector<std::int32_t> rows;  ///< [2 * reach + 1], from a query that stands `reach` before a key on; or none
  std::vector<float> keys;         ///< [rows][features], or none
  std::vector<float> queries;      ///< likewise
};

/// Multi-head attention of each sequence to itself. Contexts take the place of queries.
struct AttentionStep {
  std::string queries, keys, values;
  int heads;
  int window = 0;                ///< tokens farther apart do not see each other; 0: all do
  std::vector<float> bias = {};  ///< added to scores by distance, [heads][2 * reach + 1]; or none
  int terms = 1;                 ///< scores are divided by the root of so many head sizes
  DistanceFeatures distances = {};
};

using Step = std::variant<GatherStep, NormalizeStep, LinearStep, MultiplyStep, RotateStep,
                          NeighboursStep, AttentionStep>;

struct Program {
  std::vector<Step> steps;
  std::string output;  ///< the buffer that holds hidden states at the end
};

}  // namespace fineprune
