#include "gst/output/late_control.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace latentsync {
namespace {

constexpr int64_t kFewSteps = 4;
constexpr size_t kLastMeasures = 3;
constexpr size_t kPercentileOf = 64;
/// A level that is tried again has to leave this part of the time.
constexpr double kUpAgain = 0.9;
/// Fewer steps that gain less than this are of no use.
constexpr double kNoGain = 0.9;
/// A window may lose this part of its frames and is begun all the same.
constexpr int64_t kLostPart = 8;

/// The 95th percentile; of fewer than 20 values the greatest.
int64_t percentile(const std::deque<int64_t>& values) {
  std::vector<int64_t> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted[(sorted.size() * 95 + 99) / 100 - 1];
}

}  // namespace

void LateControl::start(int64_t render_latency) {
  *this = LateControl();
  render_latency_ = render_latency;
}

std::vector<int64_t> LateControl::levels(int64_t wanted_steps) {
  std::vector<int64_t> result{wanted_steps};
  if (wanted_steps > 1) result.push_back(wanted_steps / 2);
  if (result.back() > kFewSteps) result.push_back(kFewSteps);
  return result;
}

int64_t LateControl::reserve(int64_t full_ns) const {
  return render_latency_ > 0 ? render_latency_ : std::max(reserve_, full_ns / 2);
}

int64_t LateControl::predict(int64_t steps, double part) const {
  std::vector<double> times;
  for (const Measure& measure : last_) {
    const double ratio = static_cast<double>(steps) / static_cast<double>(measure.steps);
    times.push_back(static_cast<double>(measure.took_ns) * std::min(part / measure.part, 1.0) *
                    (1 - measure.step_share + measure.step_share * ratio));
  }
  if (times.empty()) return 0;
  std::sort(times.begin(), times.end());
  return std::llround(times[times.size() < kLastMeasures ? times.size() - 1 : 1]);
}

LateControl::Choice LateControl::choose(const Window& window) {
  const auto levels = LateControl::levels(window.wanted_steps);
  level_ = std::min(level_, levels.size() - 1);
  Choice choice{window.wanted_steps, predict(window.wanted_steps, window.part), 0};
  if (window.policy == LatePolicy::kWait || last_.empty()) return choice;
  // The latency may still grow; not so far that windows would have to be left out for ever.
  const int64_t more = render_latency_ > 0 ? 0 : window.full_ns - reserve(window.full_ns);
  choice.there_is_ns = std::min(window.left_ns + std::max<int64_t>(more, 0), window.full_ns);
  if (window.policy == LatePolicy::kPassThrough) return pass_or(0, window, levels, choice);
  if (in_time_ >= kWindowsInTime && level_ > 0 &&
      static_cast<double>(predict(levels[level_ - 1], 1)) <=
          kUpAgain * static_cast<double>(window.full_ns)) {
    --level_;
    in_time_ = 0;
  }
  for (size_t level = level_; level < levels.size(); ++level) {
    if (predict(levels[level], window.part) > choice.there_is_ns) continue;
    if (level > level_) in_time_ = 0;
    level_ = level;
    passed_ = 0;
    choice.steps = levels[level];
    return choice;
  }
  const auto most = static_cast<double>(predict(levels.front(), 1));
  const auto fewest = static_cast<double>(predict(levels.back(), 1));
  level_ = fewest < kNoGain * most ? levels.size() - 1 : 0;
  return pass_or(level_, window, levels, choice);
}

/// That level, or nothing where too many frames would be due before. Now and then it is tried all
/// the same: nothing else would show that the engine is faster again.
LateControl::Choice LateControl::pass_or(size_t level, const Window& window,
                                         const std::vector<int64_t>& levels, Choice choice) {
  const int64_t more = render_latency_ > 0 ? 0 : 2 * window.full_ns - reserve(window.full_ns);
  const auto length = static_cast<int64_t>(static_cast<double>(window.full_ns) * window.part);
  const int64_t takes = predict(levels[level], window.part);
  const bool too_slow = takes > window.left_ns + std::max<int64_t>(more, 0) + length / kLostPart;
  choice.steps = levels[level];
  if (!too_slow || passed_ >= kWindowsInTime) {
    passed_ = 0;
    return choice;
  }
  ++passed_;
  in_time_ = 0;
  choice.steps = 0;
  return choice;
}

void LateControl::rendered(const Window& window, const Measure& measure, bool in_time) {
  in_time_ = in_time ? in_time_ + 1 : 0;
  if (!std::exchange(skip_, false)) add(window, measure);
}

void LateControl::given_up(const Window& window, int64_t steps, int64_t took_ns) {
  in_time_ = 0;
  // One that was begun too late, or just now, says nothing.
  if (took_ns < std::max(predict(steps, window.part), window.full_ns / 2)) return;
  if (std::exchange(skip_, false)) return;
  const double share = last_.empty() ? kStepShare : last_.back().step_share;
  // What the others took says nothing any more.
  last_.clear();
  add(window, {steps, took_ns, share});
}

void LateControl::add(const Window& window, Measure measure) {
  took_.push_back(measure.took_ns);
  if (took_.size() > kPercentileOf) took_.pop_front();
  measure.part = window.part;
  last_.push_back(measure);
  if (last_.size() > kLastMeasures) last_.pop_front();
  raise_reserve(window);
}

/// Half a frame more than the percentile, and whole frames: it does not grow by a little each time.
void LateControl::raise_reserve(const Window& window) {
  const int64_t frame = std::max<int64_t>(window.frame_ns, 1);
  int64_t needed = (percentile(took_) + frame / 2 + frame - 1) / frame * frame;
  if (needed > window.full_ns) {
    const int64_t fewest = levels(window.wanted_steps).back();
    const bool can_degrade =
        window.policy == LatePolicy::kDegrade && predict(fewest, 1) <= window.full_ns;
    needed = can_degrade ? window.full_ns : 2 * window.full_ns;
  }
  reserve_ = std::max(reserve_, needed);
}

}  // namespace latentsync
