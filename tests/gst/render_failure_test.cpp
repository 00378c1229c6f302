#include "tests/gst/clip.h"
#include "tests/gst/simulation.h"
#include "tests/gst/told.h"

/// A live graph goes on where windows cannot be rendered, in simulated time.
namespace latentsync::test {
namespace {

class RenderFailure : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(std::chrono::seconds(60));
  }
};

constexpr GstClockTime kMinute = 60 * GST_SECOND;

/// Windows of 1.6 s.
Simulation::Options fast() {
  Simulation::Options options;
  options.properties = {{"window-frames", "8"}};
  options.cost = [](int64_t, size_t, GstClockTime) { return 300'000'000; };
  return options;
}

uint64_t windows_of(const Simulation& simulation) {
  uint64_t sum = 0;
  for (const auto& [steps, count] : simulation.counts().windows) sum += count;
  return sum;
}

// Windows that fail pass through, with one warning; after a pause it is tried again, and frames
// are edited as soon as that succeeds. Nothing is lost or passed without a message.
TEST_F(RenderFailure, IsAWarningAndTriedAgain) {
  fake::behave("render-failure=out-of-memory@5+3");
  Simulation simulation(fast());
  simulation.run(kMinute);
  const Simulation::Counts& counts = simulation.counts();
  EXPECT_EQ(counts.errors, 0u);
  EXPECT_EQ(counts.disordered, 0u);
  EXPECT_EQ(counts.untold, 0u);
  EXPECT_EQ(counts.warned, 1u);
  EXPECT_TRUE(counts.qualities.contains(0));
  // Three failures with pauses of 1, 2 and 4 s.
  const uint64_t passed = counts.frames - counts.edited;
  EXPECT_GE(passed, 3u * 8);
  EXPECT_LE(passed, 7u * 8);
  simulation.forget_counts();
  simulation.run(kMinute);
  EXPECT_EQ(simulation.counts().edited, simulation.counts().frames);
}

// The pauses grow to 30 s: a failure that lasts costs little.
TEST_F(RenderFailure, IsTriedAgainAfterGrowingPauses) {
  fake::behave("render-failure=device@2");
  Simulation simulation(fast());
  simulation.run(3 * kMinute);
  simulation.forget_counts();
  simulation.run(10 * kMinute);
  EXPECT_EQ(simulation.counts().edited, 0u);
  EXPECT_EQ(simulation.counts().untold, 0u);
  EXPECT_GE(windows_of(simulation), 15u);
  EXPECT_LE(windows_of(simulation), 21u);
  fake::behave("render-failure=device@1000000");
  simulation.run(kMinute);
  simulation.forget_counts();
  simulation.run(kMinute);
  EXPECT_EQ(simulation.counts().edited, simulation.counts().frames);
}

// With no-fallback it is the error that it is where a graph is not live.
TEST_F(RenderFailure, IsAnErrorWhereThatIsAskedFor) {
  for (const bool no_fallback : {true, false}) {
    fake::reset();
    fake::behave("render-failure=device@0");
    Rig rig(Mode::kLive, {{"no-fallback", no_fallback ? "true" : "false"}});
    rig.start();
    feed(rig, Clip{});
    EXPECT_TRUE(rig.wait_message(no_fallback ? GST_MESSAGE_ERROR : GST_MESSAGE_WARNING));
    if (!no_fallback) {
      EXPECT_TRUE(rig.wait_eos());
    }
    EXPECT_EQ(sentences_of(rig, GST_MESSAGE_ERROR).size(), no_fallback ? 1u : 0u);
    EXPECT_EQ(sentences_of(rig, GST_MESSAGE_WARNING).size(), no_fallback ? 0u : 1u);
    EXPECT_EQ(rig.messages(GST_MESSAGE_QOS).empty(), no_fallback);
  }
}

}  // namespace
}  // namespace latentsync::test
