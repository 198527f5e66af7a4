#include "encoder.hpp"

#include <string>

#include "encoder_weights.hpp"
#include "fork.hpp"
#include "pass.hpp"
#include "require.hpp"
#include "shelf.hpp"
#include "thread_pool.hpp"
#include "workspace.hpp"

namespace fineprune {
namespace {

/// What calls take, and put back.
template <class Element>
struct Shared {
  ThreadPool pool;
  Shelf<Workspace<Element>> workspaces;
};

template <class Element>
struct MakeShared {
  int threads;
  std::size_t most_idle_bytes;

  std::unique_ptr<Shared<Element>> operator()() const {
    return std::unique_ptr<Shared<Element>>(
        new Shared<Element>{ThreadPool(threads), Shelf<Workspace<Element>>(most_idle_bytes)});
  }
};

template <class Element>
class TiledEncoder final : public Encoder {
 public:
  TiledEncoder(const Kernels<Element>& kernels, Embeddings embeddings, std::vector<Layer> layers,
               const EncoderConfig& config)
      : weights_(kernels, std::move(embeddings), std::move(layers), config),
        shared_({checked_threads(config), config.most_idle_bytes}) {}

  int hidden_size() const override { return weights_.hidden; }

  void run(const Batch& batch, bool first_only, std::span<float> output) const override {
    weights_.check(batch);
    const std::size_t rows = first_only ? batch.lengths.size() : batch.tokens.size();
    if (output.size() != rows * weights_.hidden) refuse("the output has the wrong size");
    Shared<Element>& shared = shared_.get();
    const ThreadPool::Hired crew(shared.pool);
    std::unique_ptr<Workspace<Element>> space = shared.workspaces.take();
    space->prepare(weights_, batch, crew->threads());
    Pass<Element> pass(weights_, *space, *crew, batch, first_only, output);
    crew->run([&pass](int thread) { pass.forward(thread); });
    shared.workspaces.put_back(std::move(space));
  }

 private:
  static int checked_threads(const EncoderConfig& config) {
    require(config.threads > 0,
            "an encoder needs at least one thread, got " + std::to_string(config.threads));
    return config.threads;
  }

  const EncoderWeights<Element> weights_;
  mutable PerProcess<Shared<Element>, MakeShared<Element>> shared_;
};

}  // namespace

template <class Element>
std::unique_ptr<Encoder> make_encoder(const Kernels<Element>& kernels, Embeddings embeddings,
                                      std::vector<Layer> layers, const EncoderConfig& config) {
  return std::make_unique<TiledEncoder<Element>>(kernels, std::move(embeddings), std::move(layers),
                                                 config);
}

template std::unique_ptr<Encoder> make_encoder(const Kernels<float>&, Embeddings,
                                               std::vector<Layer>, const EncoderConfig&);
template std::unique_ptr<Encoder> make_encoder(const Kernels<bfloat16>&, Embeddings,
                                               std::vector<Layer>, const EncoderConfig&);

}  // namespace fineprune
