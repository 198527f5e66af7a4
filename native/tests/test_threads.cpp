// Threads of one encoder: teams, callers at the same time, processes that fork. Also what the thread
// sanitizer is for: sizes are small.
//
//     test_threads [SEED]      the seed is printed; without one, another each time

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "../shelf.hpp"
#include "../thread_pool.hpp"
#include "harness.hpp"
#include "models.hpp"

#if defined(__SANITIZE_THREAD__)
inline constexpr bool forks = false;  // it does not know threads that start after a fork
#else
inline constexpr bool forks = true;
#endif

namespace fineprune::tests {
namespace {

std::vector<float> states(const Encoder& encoder, const Expectation& expectation) {
  std::vector<float> output(expectation.rows.size() * expectation.hidden, NAN);
  encoder.run(expectation.batch(), false, output);
  return output;
}

/// Batches that share tiles among sequences, fill several, and leave some to teams.
std::vector<Expectation> batches(std::mt19937& random, const Model& model) {
  return {{random, model, {33, 7}},
          {random, model, {5, 100, 17}},
          {random, model, {1}},
          {random, model, {70, 3, 3, 90, 31}}};
}

template <class Arithmetic>
void test_teams(std::mt19937& random, const Kernels<Arithmetic>& kernels, const std::string& name) {
  const Model model(random, small);
  const double tolerance = tolerance_of_encoders<Arithmetic>;
  const auto alone = model.prepare(kernels, 1);
  for (const int threads : {2, 3, 5}) {
    const auto encoder = model.prepare(kernels, threads);
    for (const Expectation& expectation : batches(random, model)) {
      const std::string what = name + " on " + std::to_string(threads) + " threads";
      expectation.check(*encoder, tolerance, what);
      expect(states(*encoder, expectation) == states(*alone, expectation), what + " differs");
    }
  }
}

/// More callers than threads: each finds what it finds alone, to the last bit.
void test_callers(std::mt19937& random) {
  const Model model(random, small);
  const auto encoder = model.prepare(*instruction_sets().front().float_kernels, 3);
  const std::vector<Expectation> work = batches(random, model);
  std::vector<std::vector<float>> expected;
  for (const Expectation& one : work) expected.push_back(states(*encoder, one));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < 6; ++caller)
    callers.emplace_back([&, caller] {
      for (std::size_t repeat = 0; repeat < 12; ++repeat) {
        const std::size_t index = (caller + repeat) % work.size();
        if (states(*encoder, work[index]) != expected[index]) ++wrong;
      }
    });
  for (std::thread& caller : callers) caller.join();
  expect(wrong == 0, std::to_string(wrong) + " of 72 runs beside others differ");
}

void test_crews() {
  ThreadPool pool(4);
  {
    const ThreadPool::Hired all(pool), beside(pool), another(pool);
    expect(all->threads() == 4, "the first caller has all threads");
    expect(beside->threads() == 1 && another->threads() == 1, "others have their own");
  }
  int again = 0;
  for (int call = 0; call < 8; ++call) again = ThreadPool::Hired(pool)->threads();
  expect(again == 4, "after the others have gone, threads come back");
  {
    ThreadPool small_pool(3);
    const ThreadPool::Hired one(small_pool);
    std::array<std::atomic<int>, 3> ran{};
    for (int repeat = 0; repeat < 50; ++repeat) one->run([&](int thread) { ++ran[thread]; });
    for (const auto& times : ran) expect(times == 50, "each thread does its part once");
  }
  {
    // The first has all nine; two more come, with a thread each, and it goes: a third is its share.
    ThreadPool wide(9);
    auto first = std::make_unique<ThreadPool::Hired>(wide);
    const ThreadPool::Hired second(wide), third(wide);
    first.reset();
    const ThreadPool::Hired rest(wide);
    expect(rest->threads() == 3, "a share is lent, got " + std::to_string(rest->threads()));
    const ThreadPool::Hired more(wide);
    expect(more->threads() == 2, "a smaller share, got " + std::to_string(more->threads()));
  }
}

struct Thing {
  std::size_t size = 10;
  std::size_t bytes() const { return size; }
};

void test_shelf() {
  Shelf<Thing> shelf(25);
  auto first = shelf.take(), second = shelf.take(), third = shelf.take();
  const Thing* const kept = second.get();
  shelf.put_back(std::move(first));
  shelf.put_back(std::move(second));
  shelf.put_back(std::move(third));  // more than 25 bytes: not kept
  expect(shelf.take().get() == kept, "the last one that was put back is taken first");
  auto large = std::make_unique<Thing>(Thing{26});
  shelf.put_back(std::move(large));
  expect(shelf.take()->size == 10, "what is too large is not kept");
}

/// Whether a child, made while other threads are inside of a run, computes the same in time.
bool child_agrees(const Encoder& encoder, const Expectation& work,
                  const std::vector<float>& expected) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // ends a child that hangs
    const bool same = states(encoder, work) == expected && states(encoder, work) == expected;
    const pid_t grandchild = same ? fork() : -1;
    if (grandchild == 0) _exit(states(encoder, work) == expected ? 0 : 1);
    int status = 1;
    if (grandchild > 0) waitpid(grandchild, &status, 0);
    _exit(same && status == 0 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0;
}

void test_forks(std::mt19937& random) {
  const Model model(random, small);
  const auto encoder = model.prepare(*instruction_sets().front().float_kernels, 3);
  const Expectation work(random, model, {70, 3, 90});
  const std::vector<float> expected = states(*encoder, work);
  std::atomic<bool> stop = false;
  std::vector<std::thread> callers;
#ifdef __SANITIZE_ADDRESS__
  // The sanitizer's allocator takes no locks at a fork, so that a child may find one held for ever.
  const int inside = 0;
#else
  const int inside = 2;
#endif
  for (int caller = 0; caller < inside; ++caller)
    callers.emplace_back([&] {
      while (!stop) states(*encoder, work);
    });
  for (int i = 0; i < 10; ++i)
    expect(child_agrees(*encoder, work, expected), "a child differs, or hangs");
  stop = true;
  for (std::thread& caller : callers) caller.join();
  expect(states(*encoder, work) == expected, "after forks the parent differs");
}

}  // namespace
}  // namespace fineprune::tests

int main(int count, char** arguments) {
  using namespace fineprune::tests;
  const unsigned seed = choose_seed(count, arguments);
  for_all_kernels(seed, [](std::mt19937& random, const auto& kernels, const std::string& name) {
    test_teams(random, kernels, name);
  });
  std::mt19937 random(seed);
  test_callers(random);
  test_crews();
  test_shelf();
  if (forks) test_forks(random);
  return conclude();
}
