#pragma once
// Which buffers a program has, and what each of its steps does to them.

#include <map>
#include <string>
#include <vector>

#include "program.hpp"

namespace fineprune {

/// What a step does to a buffer: what it reads it must find there, and what it only writes it
/// overwrites.
struct Access {
  int buffer;
  bool reads;
  bool writes;
};

struct Buffer {
  std::string name;
  int features = 0;
  bool is_stream = false;  ///< kept in float32
  bool of_phase = false;   ///< forgotten at the next attention: what one thread works on
};

/// The buffers of a program, checked.
class Dataflow {
 public:
  /// Throws std::invalid_argument for a buffer that is read before it is written, of another size than
  /// a step takes, or in another type than it is read as; for anything that steps lack; and for
  /// attentions of different numbers of heads.
  explicit Dataflow(const Program& program);

  const std::vector<Buffer>& buffers() const { return buffers_; }
  int output() const { return output_; }
  int heads() const { return heads_; }

  /// The number of a buffer that there is.
  int find(const std::string& name) const { return numbers_.at(name); }

  /// Of each step.
  const std::vector<std::vector<Access>>& accesses() const { return accesses_; }

 private:
  void add(const Step& step);
  int read(const std::string& name, int features);
  int write(const std::string& name, int features, bool is_stream = false);
  void require_kinds(const Step& step) const;
  void find_short_lived(const Program& program);
  void require_neighbours(const Program& program);

  std::vector<Buffer> buffers_;
  std::map<std::string, int> numbers_;
  std::vector<std::vector<Access>> accesses_;
  int output_ = -1;
  int heads_ = 0;
};

}  // namespace fineprune
