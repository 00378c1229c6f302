#include "tests/gst/clip.h"
#include "tests/gst/simulation.h"
#include "tests/gst/told.h"

#include <cmath>
#include <cstdlib>

/// late-policy and render-latency, in simulated time.
namespace latentsync::test {
namespace {

class LatePolicy : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    watch(std::chrono::seconds(60));
  }
};

constexpr GstClockTime kMinute = 60 * GST_SECOND;

Simulation::Options options(const char* policy, double fixed, double steps) {
  Simulation::Options options;
  options.properties = {{"window-frames", "8"}, {"late-policy", policy}};
  options.step_share = steps / (fixed + steps);
  const double window = 8.0 / options.frames_per_second * 1e9;
  options.cost = [=](int64_t chosen, size_t frames, GstClockTime) {
    const double full = fixed + steps * static_cast<double>(chosen) / 20;
    return static_cast<int64_t>(full * window * static_cast<double>(frames) / 8);
  };
  return options;
}

/// Nothing was lost, late or passed without a word.
void expect_kept(const Simulation& simulation) {
  EXPECT_EQ(simulation.counts().untold, 0u);
  EXPECT_EQ(simulation.counts().disordered, 0u);
  EXPECT_EQ(simulation.counts().errors, 0u);
}

double edited_part(const Simulation& simulation) {
  return static_cast<double>(simulation.counts().edited) /
         static_cast<double>(simulation.counts().frames);
}

// A fast engine edits every frame with all steps, and nothing is posted.
TEST_F(LatePolicy, LeavesAFastEngineAlone) {
  Simulation simulation(options("degrade", 0.1, 0.3));
  simulation.run(kMinute);
  expect_kept(simulation);
  EXPECT_EQ(simulation.counts().edited, simulation.counts().frames);
  EXPECT_EQ(simulation.counts().changes, 0u);
  EXPECT_EQ(simulation.counts().warned, 0u);
  EXPECT_EQ(simulation.counts().latency_posted, 0u);
  EXPECT_EQ(simulation.counts().windows.size(), 1u);
}

// An engine that is a tenth too slow, and one that takes twice as long as there is time: windows
// are left out, and the others are edited. One warning has the numbers.
TEST_F(LatePolicy, PassThroughLeavesWindowsOut) {
  for (const auto& [time, part] : {std::pair(1.1, 0.85), std::pair(2.0, 0.45)}) {
    SCOPED_TRACE(time);
    Simulation simulation(options("pass-through", time, 0));
    simulation.run(kMinute);
    simulation.forget_counts();
    simulation.run(kMinute);
    expect_kept(simulation);
    EXPECT_GE(edited_part(simulation), part);
    EXPECT_LT(edited_part(simulation), 1);
    EXPECT_EQ(simulation.counts().windows.size(), 1u);
    EXPECT_EQ(simulation.counts().qualities, (std::set{0, 1'000'000}));
    // Where windows are left out, the edit fades.
    EXPECT_GT(simulation.counts().edges, 10u);
    EXPECT_EQ(simulation.counts().jumps, 0u);
    EXPECT_EQ(simulation.counts().latency_posted, 0u);
  }
}

// An engine that is too slow and then fast: where a window before which the edit has faded out is
// in time, it fades in again.
TEST_F(LatePolicy, TheEditFadesInWhereTheEngineGetsFaster) {
  for (const double time : {1.1, 2.0}) {
    SCOPED_TRACE(time);
    Simulation::Options faster = options("pass-through", time, 0);
    faster.cost = [slow = faster.cost, fast = options("pass-through", 0.3, 0).cost](
                      int64_t steps, size_t frames, GstClockTime now) {
      return (now < 2 * kMinute ? slow : fast)(steps, frames, now);
    };
    Simulation simulation(faster);
    simulation.run(kMinute);
    simulation.forget_counts();
    simulation.run(2 * kMinute);
    expect_kept(simulation);
    EXPECT_GT(simulation.counts().edges, 10u);
    EXPECT_EQ(simulation.counts().jumps, 0u);
  }
}

// The same engines with degrade: fewer steps, and every frame is edited.
TEST_F(LatePolicy, DegradeTakesFewerSteps) {
  for (const double time : {1.1, 2.0}) {
    SCOPED_TRACE(time);
    Simulation simulation(options("degrade", 0.1 * time, 0.9 * time));
    simulation.run(kMinute);
    EXPECT_EQ(simulation.counts().warned, 1u);
    EXPECT_TRUE(simulation.counts().warnings.begin()->find(" ms for a window where there are ") !=
                std::string::npos)
        << *simulation.counts().warnings.begin();
    EXPECT_TRUE(simulation.counts().qualities.contains(time < 2 ? 500'000 : 200'000));
    simulation.forget_counts();
    simulation.run(kMinute);
    expect_kept(simulation);
    EXPECT_EQ(simulation.counts().edited, simulation.counts().frames);
    EXPECT_EQ(simulation.counts().late, 0u);
    EXPECT_EQ(simulation.counts().warned, 0u);
  }
}

// wait: frames leave late and are told, and nothing is degraded.
TEST_F(LatePolicy, WaitIsLate) {
  Simulation::Options swaying = options("wait", 0, 1);
  swaying.properties.push_back({"render-latency", "800000000"});
  const auto mean = swaying.cost;
  int number = 0;
  swaying.cost = [&number, mean](int64_t steps, size_t frames, GstClockTime now) {
    return mean(steps, frames, now) * (++number % 2 == 0 ? 14 : 4) / 10;
  };
  for (const char* policy : {"wait", "pass-through"}) {
    SCOPED_TRACE(policy);
    swaying.properties[1].second = policy;
    Simulation simulation(swaying);
    simulation.run(kMinute);
    expect_kept(simulation);
    const bool waits = std::string(policy) == "wait";
    EXPECT_EQ(simulation.counts().edited == simulation.counts().frames, waits);
    EXPECT_EQ(simulation.counts().late > 0, waits);
    EXPECT_EQ(simulation.counts().windows.size(), 1u);
  }
}

// Where nothing is due, nothing is degraded or left out, however slow the engine is.
TEST_F(LatePolicy, HasNoEffectWhereTheGraphIsNotLive) {
  for (const char* policy : {"degrade", "pass-through", "wait"}) {
    SCOPED_TRACE(policy);
    fake::reset();
    fake::behave("delay=100ms");
    Rig rig(Mode::kNotLive, {{"window-frames", "2"},
                             {"audio-lookahead", "120000000"},
                             {"late-policy", policy},
                             {"render-latency", "1"}});
    rig.use_system_clock();
    Clip clip;
    clip.frames = 12;
    expect_frames(run(rig, clip), clip);
    EXPECT_TRUE(rig.messages(GST_MESSAGE_QOS).empty());
    for (const auto& window : fake::windows()) EXPECT_EQ(window.settings.inference_steps, 0);
  }
}

// A given render-latency is the one that is answered, and it never changes.
TEST_F(LatePolicy, RenderLatencyIsWhatIsAnswered) {
  Simulation::Options given = options("degrade", 0.1, 1.0);
  given.properties.push_back({"render-latency", "900000000"});
  Simulation simulation(given);
  simulation.run(kMinute);
  expect_kept(simulation);
  EXPECT_EQ(simulation.latency(),
            200 * GST_MSECOND + 1600 * GST_MSECOND + 500 * GST_MSECOND + 900 * GST_MSECOND);
  EXPECT_EQ(simulation.counts().latency_posted, 0u);
}

// Short windows with the least look-ahead and a fast engine: 0.7 s from a frame's timestamp to the
// sink, the source's own latency of a frame included.
TEST_F(LatePolicy, LatencyOfShortWindowsIsShort) {
  Simulation::Options brief = options("degrade", 0.1, 0.2);
  brief.frames_per_second = 25;
  brief.properties.push_back({"audio-lookahead", "120000000"});
  brief.cost = [](int64_t, size_t, GstClockTime) { return 100'000'000; };
  Simulation simulation(brief);
  simulation.run(kMinute);
  expect_kept(simulation);
  EXPECT_LE(simulation.latency(), 700 * GST_MSECOND);
  EXPECT_EQ(simulation.counts().late, 0u);
  EXPECT_EQ(simulation.counts().edited, simulation.counts().frames);
  EXPECT_EQ(simulation.counts().latency_posted, 0u);
}

// Measured: it grows once, to what windows take, and keeps there when they take less.
TEST_F(LatePolicy, LatencyGrowsToWhatIsMeasured) {
  Simulation::Options growing = options("degrade", 0, 1);
  const auto fast = options("degrade", 0.2, 0.2).cost;
  const auto slow = options("degrade", 0.2, 0.5).cost;
  growing.step_share = 0.6;
  growing.cost = [=](int64_t steps, size_t frames, GstClockTime now) {
    return (now > kMinute && now < 2 * kMinute ? slow : fast)(steps, frames, now);
  };
  Simulation simulation(growing);
  const GstClockTime at_first = simulation.latency();
  simulation.run(kMinute);
  EXPECT_EQ(simulation.latency(), at_first);
  simulation.run(kMinute);
  const GstClockTime grown = simulation.latency();
  EXPECT_GE(grown, at_first + simulation.window() / 5);
  EXPECT_LE(grown, at_first + simulation.window() / 2);
  simulation.run(kMinute);
  EXPECT_EQ(simulation.latency(), grown);
  EXPECT_LE(simulation.counts().latency_posted, 2u);
  expect_kept(simulation);
  EXPECT_EQ(simulation.counts().windows.size(), 1u);
}

/// Simulated minutes of the endurance test: a day takes a quarter of an hour.
GstClockTime endurance() {
  const char* hours = std::getenv("LATENTSYNC_ENDURANCE_HOURS");
  return hours ? static_cast<GstClockTime>(std::atof(hours) * 60) * kMinute : 25 * kMinute;
}

// The load of the machine swings between 0.2 and 3 times real time. No frame is lost, late or
// passed without a message; steps go down and up; the latency stays; memory does not grow.
TEST_F(LatePolicy, KeepsUpWithASwingingLoad) {
  watch(std::chrono::seconds(20 * 60));
  Simulation::Options swinging = options("degrade", 0.3, 0.7);
  const auto full = swinging.cost;
  swinging.properties = {{"window-frames", "8"}, {"late-policy", "degrade"}};
  swinging.cost = [=](int64_t steps, size_t frames, GstClockTime now) {
    constexpr double kPeriod = 4.0 * kMinute;
    const double swing = std::sin(2 * M_PI * static_cast<double>(now) / kPeriod);
    const double load = 0.775 * std::pow(15.0, swing / 2);
    return static_cast<int64_t>(load * static_cast<double>(full(steps, frames, now)));
  };
  Simulation simulation(swinging);
  simulation.run(8 * kMinute);
  const int64_t memory = resident_bytes();
  const GstClockTime latency = simulation.latency();
  simulation.run(endurance() - 8 * kMinute);
  expect_kept(simulation);
  const Simulation::Counts& counts = simulation.counts();
  EXPECT_EQ(simulation.latency(), latency);
  for (const int64_t steps : {20, 10, 4}) EXPECT_GT(counts.windows.at(steps), 20u) << steps;
  EXPECT_EQ(counts.qualities, (std::set{0, 200'000, 500'000, 1'000'000}));
  EXPECT_GE(edited_part(simulation), 0.85);
  EXPECT_EQ(counts.warned, 1u);
  EXPECT_LE(resident_bytes(), memory + 6'000'000);
  std::printf("%llu frames, %.1f %% edited, %llu late, %llu changes, latency %.0f ms\n",
              static_cast<unsigned long long>(counts.frames), 100 * edited_part(simulation),
              static_cast<unsigned long long>(counts.late),
              static_cast<unsigned long long>(counts.changes),
              static_cast<double>(simulation.latency()) / 1e6);
}

}  // namespace
}  // namespace latentsync::test
