#include "core/lipsync/rungs.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace latentsync::lipsync {

Rungs::Rungs(MemoryPlan plan, std::shared_ptr<Shortages> shortages)
    : shortages_(shortages ? std::move(shortages) : std::make_shared<Shortages>()) {
  set_plan(std::move(plan));
}

void Rungs::replace(MemoryPlan plan) {
  const std::lock_guard lock(mutex_);
  set_plan(std::move(plan));
}

void Rungs::set_plan(MemoryPlan plan) {
  plan_ = std::move(plan);
  choice_ = {.index = plan_.fits() ? static_cast<size_t>(plan_.chosen) : plan_.ladder.size() - 1};
  ran_out_.reset();
  const auto is_too_large = [&] {
    const auto& planned = plan_.ladder[choice_.index];
    return shortages_->needed(planned) > std::max(planned.peak, plan_.budget);
  };
  while (!is_last_rung() && is_too_large()) go_lower();
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
  return is_last_rung();
}

void Rungs::go_lower() {
  if (!is_last_rung()) choice_ = {.index = choice_.index + 1};
}

bool Rungs::has_room_ahead() const {
  const std::lock_guard lock(mutex_);
  const auto& planned = plan_.ladder[choice_.index];
  int64_t stage = 0;
  for (const auto& [name, bytes] : planned.stages) {
    if (name == "face" || name == "audio" || name == "encode") stage = std::max(stage, bytes);
  }
  return planned.peak + planned.frames + stage <= available_.value_or(plan_.budget);
}

// The rungs above need no less than this one. The last one is tried whatever has happened.
void Rungs::add_shortage(size_t index, int64_t available) {
  for (size_t i = 0; i <= index && i + 1 < plan_.ladder.size(); ++i) {
    shortages_->add(plan_.ladder[i], available);
  }
}

bool Rungs::go_below(size_t index) {
  const std::lock_guard lock(mutex_);
  if (available_) {
    ran_out_ = std::max(ran_out_.value_or(0), index);
  } else {
    add_shortage(index, plan_.budget);
  }
  if (choice_.index <= index) go_lower();
  return choice_.index > index;
}

void Rungs::ask_to_go_lower() {
  const std::lock_guard lock(mutex_);
  asked_ = true;
}

void Rungs::begin_window(std::optional<int64_t> available) {
  const std::lock_guard lock(mutex_);
  available_ = available;
  if (std::exchange(asked_, false)) go_lower();
  if (!available) return;
  if (const auto ran_out = std::exchange(ran_out_, std::nullopt))
    add_shortage(*ran_out, *available);
  std::vector<int64_t> needs;
  for (const auto& rung : plan_.ladder) needs.push_back(shortages_->needed(rung));
  choice_ = next_choice(choice_, needs, *available);
}

}  // namespace latentsync::lipsync
