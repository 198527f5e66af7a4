// The Python face: checks dtype and shape, releases the GIL, knows nothing else.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checksum.hpp"
#include "embedding.hpp"
#include "encoder.hpp"
#include "exact_gelu.hpp"
#include "instruction_set.hpp"
#include "int8_state.hpp"
#include "matrix.hpp"
#include "require.hpp"
#include "thread_pool.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace fineprune {
namespace {

using Array = nb::ndarray<nb::ro>;

std::string dtype_name(const nb::dlpack::dtype& dtype) {
  using Code = nb::dlpack::dtype_code;
  const std::string bits = std::to_string(dtype.bits);
  switch (static_cast<Code>(dtype.code)) {
    case Code::Float: return "float" + bits;
    case Code::Int: return "int" + bits;
    case Code::UInt: return "uint" + bits;
    default: return "another type of " + bits + " bits";
  }
}

bool is_contiguous(const Array& array) {
  if (array.size() == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) > 1 && array.stride(i) != expected) return false;
    expected *= static_cast<std::int64_t>(array.shape(i));
  }
  return true;
}

void check_layout(const Array& array, const char* name, std::size_t rank) {
  if (array.device_type() != nb::device::cpu::value)
    refuse(std::string(name) + " must be in the memory of the CPU");
  if (array.ndim() != rank)
    refuse(std::string(name) + " must have " + std::to_string(rank) +
           (rank == 1 ? " axis" : " axes") + ", got " + std::to_string(array.ndim()));
  if (!is_contiguous(array)) refuse(std::string(name) + " must be C-contiguous");
  if (reinterpret_cast<std::uintptr_t>(array.data()) % array.itemsize() != 0)
    refuse(std::string(name) + " must be aligned to its items");
}

[[noreturn]] void refuse_dtype(const Array& array, const char* name, const std::string& expected) {
  refuse(std::string(name) + " must be " + expected + ", got " + dtype_name(array.dtype()));
}

template <class Element>
std::span<const Element> elements(const Array& array) {
  return {static_cast<const Element*>(array.data()), array.size()};
}

template <class Element>
std::span<const Element> as(const Array& array, const char* name, std::size_t rank = 1) {
  check_layout(array, name, rank);
  if (array.dtype() != nb::dtype<Element>())
    refuse_dtype(array, name, dtype_name(nb::dtype<Element>()));
  return elements<Element>(array);
}

Array as_array(nb::handle object, const char* name) {
  Array array;
  if (!nb::try_cast(object, array))
    refuse(std::string(name) + " must be an array");
  return array;
}

std::span<const float> optional_scales(const std::optional<Array>& scales) {
  return scales ? as<float>(*scales, "scales") : std::span<const float>{};
}

Values weight_values(const Array& values, std::size_t rank) {
  check_layout(values, "values", rank);
  if (values.dtype() == nb::dtype<float>()) return elements<float>(values);
  if (values.dtype() == nb::dtype<std::int8_t>()) return elements<std::int8_t>(values);
  refuse_dtype(values, "values", "float32 or int8");
}

ColumnIndices column_indices_of(const Array& indices) {
  check_layout(indices, "column_indices", 1);
  if (indices.dtype() == nb::dtype<std::uint16_t>()) return elements<std::uint16_t>(indices);
  if (indices.dtype() == nb::dtype<std::uint32_t>()) return elements<std::uint32_t>(indices);
  refuse_dtype(indices, "column_indices", "uint16 or uint32");
}

/// Calls `make` with the kernels of that precision on that instruction set.
template <class Make>
auto with_kernels(const std::string& precision, const std::string& name, const Make& make) {
  const InstructionSet& set = instruction_set(name);
  if (precision == "float32") return make(*set.float_kernels);
  if (precision == "int8") {
    if (computes_int8_in_bfloat16(set)) return make(*set.int8_bfloat16_kernels);
    return make(*set.int8_kernels);
  }
  require(precision == "bf16",
          "precision must be \"float32\", \"bf16\" or \"int8\", got \"" + precision + "\"");
  require(set.bfloat16_kernels != nullptr,
          "precision \"bf16\" has no instructions on \"" + name + "\" of this CPU");
  return make(*set.bfloat16_kernels);
}

std::shared_ptr<const Matrix> sparse_matrix(int rows, int columns, const Array& row_pointers,
                                            const Array& column_indices, const Array& values,
                                            const std::optional<Array>& scales,
                                            const std::string& precision,
                                            const std::string& instruction_set) {
  return with_kernels(precision, instruction_set,
                      [&](const auto& kernels) -> std::shared_ptr<const Matrix> {
                        return make_sparse(kernels, rows, columns,
                                           as<std::int32_t>(row_pointers, "row_pointers"),
                                           column_indices_of(column_indices),
                                           weight_values(values, 1), optional_scales(scales));
                      });
}

std::shared_ptr<const Matrix> dense_matrix(int rows, int columns, const Array& values,
                                           const std::optional<Array>& scales,
                                           const std::string& precision,
                                           const std::string& instruction_set) {
  return with_kernels(precision, instruction_set,
                      [&](const auto& kernels) -> std::shared_ptr<const Matrix> {
                        return make_dense(kernels, rows, columns,
                                          weight_values(values, values.ndim() == 2 ? 2 : 1),
                                          optional_scales(scales));
                      });
}

/// A new array of shape (rows, columns), which `fill` writes without the GIL.
template <class Fill>
nb::object new_array(std::size_t rows, std::size_t columns, const Fill& fill) {
  auto data = std::make_unique<float[]>(rows * columns);
  const std::span<float> span(data.get(), rows * columns);
  {
    const nb::gil_scoped_release released;
    fill(span);
  }
  nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<float*>(p); });
  data.release();
  return nb::cast(nb::ndarray<nb::numpy, float>(span.data(), {rows, columns}, owner));
}

nb::object multiply(const Matrix& matrix, const Array& x) {
  const auto input = as<float>(x, "x", 2);
  if (x.shape(1) != static_cast<std::size_t>(matrix.columns()))
    refuse("x must be of shape (tokens, " + std::to_string(matrix.columns()) + "), got (" +
           std::to_string(x.shape(0)) + ", " + std::to_string(x.shape(1)) + ")");
  if (x.shape(0) > std::numeric_limits<int>::max() / 2)
    refuse("x has too many tokens");
  const int tokens = static_cast<int>(x.shape(0));
  return new_array(x.shape(0), static_cast<std::size_t>(matrix.rows()),
                   [&](std::span<float> output) { matrix.multiply(input, tokens, output); });
}

std::uint64_t checksum_of(const Array& array) {
  check_layout(array, "array", 1);
  const nb::gil_scoped_release released;
  return checksum(array.data(), array.nbytes());
}

nb::object gelu(const Array& x) {
  const auto input = as<float>(x, "x", 2);
  return new_array(x.shape(0), x.shape(1),
                   [&](std::span<float> output) { exact_gelu(input, output); });
}

double seconds(const Matrix& matrix, int tokens, int repeats) {
  if (tokens < 1 || repeats < 1)
    refuse("tokens and repeats must be at least 1, got " + std::to_string(tokens) + " and " +
           std::to_string(repeats));
  const nb::gil_scoped_release released;
  return matrix.seconds(tokens, repeats);
}

std::shared_ptr<Embedding> embedding(int rows, int columns, const Array& values,
                                     const std::optional<Array>& scales) {
  check_layout(values, "values", values.ndim() == 2 ? 2 : 1);
  // The arrays themselves own the memory. Both are destroyed with the GIL held, by Python.
  const auto owner = std::make_shared<std::pair<Array, std::optional<Array>>>(values, scales);
  const auto make = [&](auto span) {
    return std::make_shared<Embedding>(rows, columns, span, optional_scales(scales), owner);
  };
  if (values.dtype() == nb::dtype<float>()) return make(elements<float>(values));
  if (values.dtype() == nb::dtype<std::int8_t>()) return make(elements<std::int8_t>(values));
  if (values.dtype() == nb::dtype<std::uint16_t>() ||
      values.dtype() == nb::dlpack::dtype{std::uint8_t(nb::dlpack::dtype_code::Float), 16, 1})
    return make(elements<float16>(values));
  refuse_dtype(values, "values", "float32, float16 (or its bits as uint16) or int8");
}

/// A step as Python describes it: which of its entries hold what, with errors that name them.
class Description {
 public:
  explicit Description(const nb::dict& dict) : dict_(dict) {}

  nb::object item(const char* name) const {
    if (!dict_.contains(name)) refuse("expected an entry \"" + std::string(name) + "\"");
    return dict_[name];
  }

  template <class Value>
  Value value(const char* name, const char* type) const {
    Value value;
    if (!nb::try_cast(item(name), value))
      refuse("\"" + std::string(name) + "\" must be " + type);
    return value;
  }
  std::string text(const char* name) const { return value<std::string>(name, "a string"); }
  int integer(const char* name) const { return value<int>(name, "an integer"); }
  bool flag(const char* name) const { return value<bool>(name, "a bool"); }
  float number(const char* name) const { return value<float>(name, "a number"); }

  template <class Part>
  std::shared_ptr<const Part> part(const char* name, const char* type) const {
    return as_part<Part>(item(name), name, type);
  }

  std::vector<float> floats(const char* name, std::size_t rank = 1) const {
    const Array array = as_array(item(name), name);
    const auto span = as<float>(array, name, rank);
    return {span.begin(), span.end()};
  }

  bool has(const char* name) const { return !item(name).is_none(); }

  template <class Part>
  static std::shared_ptr<const Part> as_part(const nb::handle& object, const char* name,
                                             const char* type) {
    std::shared_ptr<const Part> pointer;
    if (object.is_none() || !nb::try_cast(object, pointer))
      refuse("\"" + std::string(name) + "\" must hold " + type);
    return pointer;
  }

 private:
  const nb::dict& dict_;
};

Activation activation_of(const std::string& name) {
  if (name == "none") return Activation::none;
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_tanh") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "tanh") return Activation::tanh;
  refuse("activation must be \"none\", \"gelu\", \"gelu_tanh\", \"relu\" or \"tanh\", got \"" + name +
         "\"");
}

GatherStep gather_of(const Description& step) {
  GatherStep gather{step.text("target"), {}};
  const auto tables = step.value<nb::dict>("tables", "a dictionary");
  for (const auto& [key, table] : tables) {
    std::string name;
    nb::try_cast(key, name);
    const auto ids = name == "tokens"      ? Ids::tokens
                     : name == "positions" ? Ids::positions
                                           : Ids::types;
    if (ids == Ids::types && name != "types")
      refuse("tables must be by \"tokens\", \"positions\" or \"types\", got \"" + name + "\"");
    gather.tables.push_back({ids, Description::as_part<Embedding>(table, "tables", "an Embedding")});
  }
  return gather;
}

/// Of shape (rows, features), or none.
std::vector<float> features_of(const Description& step, const char* name) {
  return step.has(name) ? step.floats(name, 2) : std::vector<float>{};
}

AttentionStep attention_of(const Description& step) {
  AttentionStep attention{step.text("queries"), step.text("keys"), step.text("values"),
                          step.integer("heads"), step.integer("window")};
  attention.terms = step.integer("terms");
  if (step.has("rows")) {
    const Array rows = as_array(step.item("rows"), "rows");
    const auto span = as<std::int32_t>(rows, "rows");
    attention.distances = {{span.begin(), span.end()}, features_of(step, "row_keys"),
                           features_of(step, "row_queries")};
  }
  if (!step.has("bias")) return attention;
  const Array bias = as_array(step.item("bias"), "bias");
  attention.bias = step.floats("bias", 2);
  if (bias.shape(0) != static_cast<std::size_t>(std::max(attention.heads, 0)))
    refuse("bias must be of shape (" + std::to_string(attention.heads) + ", distances), got (" +
           std::to_string(bias.shape(0)) + ", " + std::to_string(bias.shape(1)) + ")");
  return attention;
}

Step step_of(const nb::dict& dict) {
  const Description step(dict);
  const std::string operation = step.text("operation");
  if (operation == "gather") return gather_of(step);
  if (operation == "normalize")
    return NormalizeStep{step.text("source"), step.text("target"), step.floats("weight"),
                         step.floats("bias"), step.number("epsilon")};
  if (operation == "linear")
    return LinearStep{step.text("source"),
                      step.text("target"),
                      {step.part<Matrix>("weight", "a Matrix"), step.floats("bias")},
                      activation_of(step.text("activation")),
                      step.flag("adds")};
  if (operation == "multiply") return MultiplyStep{step.text("source"), step.text("target")};
  if (operation == "rotate")
    return RotateStep{step.text("target"), step.text("angles"), step.integer("heads")};
  if (operation == "neighbours")
    return NeighboursStep{step.text("source"), step.text("target"), step.integer("width")};
  if (operation == "attention") return attention_of(step);
  refuse("there is no operation \"" + operation + "\"");
}

std::unique_ptr<Encoder> encoder(const std::vector<nb::dict>& steps, const std::string& output,
                                 const std::string& precision, const std::string& instruction_set,
                                 int threads) {
  Program program{{}, output};
  for (const nb::dict& step : steps) program.steps.push_back(step_of(step));
  return with_kernels(precision, instruction_set, [&](const auto& kernels) {
    return make_encoder(kernels, std::move(program), {threads});
  });
}

Batch batch_of(const Array& tokens, const Array& positions, const Array& types,
               const Array& lengths, const std::optional<Array>& places) {
  return {as<std::int32_t>(tokens, "tokens"), as<std::int32_t>(positions, "positions"),
          as<std::int32_t>(types, "types"), as<std::int32_t>(lengths, "lengths"),
          places ? as<std::int32_t>(*places, "places") : std::span<const std::int32_t>{}};
}

nb::object run(const Encoder& encoder, const Array& tokens, const Array& positions, const Array& types,
               const Array& lengths, const std::optional<Array>& places, bool first_only) {
  const Batch batch = batch_of(tokens, positions, types, lengths, places);
  const std::size_t rows = first_only ? batch.lengths.size() : batch.tokens.size();
  return new_array(rows, static_cast<std::size_t>(encoder.hidden_size()),
                   [&](std::span<float> output) { encoder.run(batch, first_only, output); });
}

std::vector<double> phase_seconds(const Encoder& encoder, const Array& tokens,
                                  const Array& positions, const Array& types,
                                  const Array& lengths, const std::optional<Array>& places,
                                  bool first_only) {
  const Batch batch = batch_of(tokens, positions, types, lengths, places);
  const std::size_t rows = first_only ? batch.lengths.size() : batch.tokens.size();
  std::vector<float> output(rows * static_cast<std::size_t>(encoder.hidden_size()));
  std::vector<double> seconds(encoder.phases());
  const nb::gil_scoped_release released;
  encoder.time(batch, first_only, output, seconds);
  return seconds;
}

std::vector<std::string> names_of_instruction_sets() {
  std::vector<std::string> names;
  for (const InstructionSet& set : instruction_sets()) names.emplace_back(set.name);
  return names;
}

std::string int8_state(const std::string& name) {
  return computes_int8_in_bfloat16(instruction_set(name)) ? "bf16" : "float32";
}

bool has_bf16() {
  const auto& sets = instruction_sets();
  return std::any_of(sets.begin(), sets.end(),
                     [](const InstructionSet& set) { return set.bfloat16_kernels != nullptr; });
}

/// An error of the package: it is nothing that a caller's arrays could be to blame for.
void raise_threads_error(const std::exception_ptr& pointer, void*) {
  try {
    std::rethrow_exception(pointer);
  } catch (const ThreadsError& error) {
    const nb::object type = nb::module_::import_("fineprune.engine.errors").attr("ThreadsError");
    PyErr_SetString(type.ptr(), error.what());
  }
}

}  // namespace
}  // namespace fineprune

NB_MODULE(_native, module) {
  using namespace fineprune;

  // An engine in a global variable lives until the interpreter ends: no mistake to be reported.
  nb::set_leak_warnings(false);

  nb::register_exception_translator(raise_threads_error);

  module.def("instruction_sets", names_of_instruction_sets);
  module.def("has_bf16", has_bf16);
  module.def("int8_state", int8_state, "instruction_set"_a);
  module.def("checksum", checksum_of, "array"_a);
  module.def("gelu", gelu, "x"_a);

  nb::class_<Matrix>(module, "Matrix")
      .def_static("sparse", sparse_matrix, "rows"_a, "columns"_a, "row_pointers"_a,
                  "column_indices"_a, "values"_a, "scales"_a.none(), nb::kw_only(), "precision"_a,
                  "instruction_set"_a)
      .def_static("dense", dense_matrix, "rows"_a, "columns"_a, "values"_a, "scales"_a.none(),
                  nb::kw_only(), "precision"_a, "instruction_set"_a)
      .def_prop_ro("rows", &Matrix::rows)
      .def_prop_ro("columns", &Matrix::columns)
      .def_prop_ro("kept", &Matrix::kept)
      .def_prop_ro("kind", [](const Matrix& m) { return m.is_sparse() ? "sparse" : "dense"; })
      .def_prop_ro("nbytes", &Matrix::bytes)
      .def("multiply", multiply, "x"_a)
      .def("seconds", seconds, "tokens"_a, "repeats"_a);

  nb::class_<Embedding>(module, "Embedding")
      .def(nb::new_(&embedding), "rows"_a, "columns"_a, "values"_a, "scales"_a.none())
      .def_prop_ro("rows", &Embedding::rows)
      .def_prop_ro("columns", &Embedding::columns);

  nb::class_<Encoder>(module, "Encoder")
      .def(nb::new_(&encoder), "steps"_a, nb::kw_only(), "output"_a, "precision"_a,
           "instruction_set"_a, "threads"_a)
      .def_prop_ro("hidden_size", &Encoder::hidden_size)
      .def("run", run, "tokens"_a, "positions"_a, "types"_a, "lengths"_a, "places"_a = nb::none(),
           nb::kw_only(), "first_only"_a = false)
      .def("phase_seconds", phase_seconds, "tokens"_a, "positions"_a, "types"_a, "lengths"_a,
           "places"_a = nb::none(), nb::kw_only(), "first_only"_a = false);
}
