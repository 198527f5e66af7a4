#include "encoder.hpp"

#include <string>

#include "bound_program.hpp"
#include "fork.hpp"
#include "pass.hpp"
#include "require.hpp"
#include "shelf.hpp"
#include "thread_pool.hpp"
#include "workspace.hpp"

namespace fineprune {
namespace {

/// What calls take, and put back.
template <class Arithmetic>
struct Shared {
  ThreadPool pool;
  Shelf<Workspace<Arithmetic>> workspaces;
};

template <class Arithmetic>
struct MakeShared {
  int threads;
  std::size_t most_idle_bytes;

  std::unique_ptr<Shared<Arithmetic>> operator()() const {
    return std::unique_ptr<Shared<Arithmetic>>(
        new Shared<Arithmetic>{ThreadPool(threads), Shelf<Workspace<Arithmetic>>(most_idle_bytes)});
  }
};

template <class Arithmetic>
class TiledEncoder final : public Encoder {
 public:
  TiledEncoder(const Kernels<Arithmetic>& kernels, Program program, const EncoderConfig& config)
      : program_(kernels, std::move(program)),
        shared_({checked_threads(config), config.most_idle_bytes}) {}

  int hidden_size() const override { return program_.hidden(); }

  void run(const Batch& batch, bool first_only, std::span<float> output) const override {
    Shared<Arithmetic>& shared = checked(batch, first_only, output);
    const ThreadPool::Hired crew(shared.pool);
    pass(shared, *crew, batch, first_only, output, {});
  }

  std::size_t phases() const override { return 2 * program_.phases().size() - 1; }

  void time(const Batch& batch, bool first_only, std::span<float> output,
            std::span<double> seconds) const override {
    if (seconds.size() != phases()) refuse("there are not as many numbers as phases");
    Shared<Arithmetic>& shared = checked(batch, first_only, output);
    ThreadPool alone(1);
    const ThreadPool::Hired crew(alone);
    pass(shared, *crew, batch, first_only, output, seconds);
  }

 private:
  /// What calls share, for a batch and an output that fit.
  Shared<Arithmetic>& checked(const Batch& batch, bool first_only,
                              std::span<const float> output) const {
    program_.check(batch);
    const std::size_t rows = first_only ? batch.lengths.size() : batch.tokens.size();
    if (output.size() != rows * program_.hidden()) refuse("the output has the wrong size");
    return shared_.get();
  }

  void pass(Shared<Arithmetic>& shared, Crew& crew, const Batch& batch, bool first_only,
            std::span<float> output, std::span<double> seconds) const {
    std::unique_ptr<Workspace<Arithmetic>> space = shared.workspaces.take();
    space->prepare(program_, batch, crew.threads());
    Pass<Arithmetic> pass(program_, *space, crew, batch, first_only, output, PhaseClock(seconds));
    crew.run([&pass](int thread) { pass.forward(thread); });
    shared.workspaces.put_back(std::move(space));
  }

  static int checked_threads(const EncoderConfig& config) {
    require(config.threads > 0,
            "an encoder needs at least one thread, got " + std::to_string(config.threads));
    return config.threads;
  }

  const BoundProgram<Arithmetic> program_;
  mutable PerProcess<Shared<Arithmetic>, MakeShared<Arithmetic>> shared_;
};

}  // namespace

template <class Arithmetic>
std::unique_ptr<Encoder> make_encoder(const Kernels<Arithmetic>& kernels, Program program,
                                      const EncoderConfig& config) {
  return std::make_unique<TiledEncoder<Arithmetic>>(kernels, std::move(program), config);
}

template std::unique_ptr<Encoder> make_encoder(const Kernels<Float32>&, Program,
                                               const EncoderConfig&);
template std::unique_ptr<Encoder> make_encoder(const Kernels<Bfloat16>&, Program,
                                               const EncoderConfig&);
template std::unique_ptr<Encoder> make_encoder(const Kernels<Int8<float>>&, Program,
                                               const EncoderConfig&);
template std::unique_ptr<Encoder> make_encoder(const Kernels<Int8<bfloat16>>&, Program,
                                               const EncoderConfig&);

}  // namespace fineprune
