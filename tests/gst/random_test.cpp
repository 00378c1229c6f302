#include "tests/gst/clip.h"
#include "tests/gst/random_player.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

/// What sources, applications and networks do to an element, in any order.
namespace latentsync::test {
namespace {

class Random : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Random);

/// The number in an environment variable, or STANDARD.
uint64_t from_environment(const char* name, uint64_t standard) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : standard;
}

// Operations at random for 30 s ($LATENTSYNC_RANDOM_SECONDS): nothing hangs, what is out are the
// frames that were brought, in order and without a hole, all of them where nothing threw them away,
// and no error and no warning of GLib comes. A failure prints the seed ($LATENTSYNC_RANDOM_SEED)
// and what was done last.
TEST_P(Random, OperationsLoseNothing) {
  const uint64_t seconds = from_environment("LATENTSYNC_RANDOM_SECONDS", 30);
  const uint64_t seed =
      from_environment("LATENTSYNC_RANDOM_SEED", std::random_device{}() % 1'000'000);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  RecordProperty("seed", std::to_string(seed));
  // The watchdog aborts; what was done before it is worth knowing.
  std::signal(SIGABRT, [](int) {
    const std::string& history = RandomPlayer::history();
    [[maybe_unused]] const auto written = write(STDERR_FILENO, history.data(), history.size());
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  uint64_t round = 0;
  while (std::chrono::steady_clock::now() < end && !HasFailure()) {
    // A new element now and then.
    RandomPlayer player(GetParam(), seed + round++);
    player.play(20);
  }
  std::signal(SIGABRT, SIG_DFL);
  std::printf("%llu elements\n", static_cast<unsigned long long>(round));
  if (HasFailure()) std::fputs(RandomPlayer::history().c_str(), stderr);
}

}  // namespace
}  // namespace latentsync::test
