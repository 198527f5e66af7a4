#pragma once
// What int8 encoders compute in, where they do not multiply codes.

#include "instruction_set.hpp"

namespace fineprune {

/// Whether this CPU's attention is clearly faster in bfloat16 than in float32, which CPUs that have
/// both differ in: measured once in a process, in a fraction of a millisecond.
bool computes_int8_in_bfloat16(const InstructionSet& set);

}  // namespace fineprune
