#include "core/lipsync/rungs.h"

#include <algorithm>
#include <utility>

namespace latentsync::lipsync {

Rungs::Rungs(MemoryPlan plan) : plan_(std::move(plan)) {
  choice_.index = plan_.fits() ? static_cast<size_t>(plan_.chosen) : plan_.ladder.size() - 1;
  for (const auto& rung : plan_.ladder) needs_.push_back(rung.peak);
}

RungInForce Rungs::current() const {
  const std::lock_guard lock(mutex_);
  return {choice_.index, plan_.ladder[choice_.index].rung};
}

MemoryPlan Rungs::plan() const {
  const std::lock_guard lock(mutex_);
  auto plan = plan_;
  plan.chosen = static_cast<int64_t>(choice_.index);
  return plan;
}

bool Rungs::is_last() const {
  const std::lock_guard lock(mutex_);
  return choice_.index + 1 == plan_.ladder.size();
}

void Rungs::go_lower() {
  if (choice_.index + 1 < plan_.ladder.size()) choice_ = {.index = choice_.index + 1};
}

bool Rungs::go_below(size_t index) {
  const std::lock_guard lock(mutex_);
  ran_out_ = std::max(ran_out_.value_or(0), index);
  if (choice_.index <= index) go_lower();
  return choice_.index > index;
}

void Rungs::ask_to_go_lower() {
  const std::lock_guard lock(mutex_);
  asked_ = true;
}

void Rungs::begin_window(std::optional<int64_t> available) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(asked_, false)) go_lower();
  if (!available) return;
  if (const auto ran_out = std::exchange(ran_out_, std::nullopt)) {
    const int64_t more = *available + *available / 20;
    for (size_t i = 0; i <= *ran_out; ++i) needs_[i] = std::max(needs_[i], more);
  }
  choice_ = next_choice(choice_, needs_, *available);
}

}  // namespace latentsync::lipsync
