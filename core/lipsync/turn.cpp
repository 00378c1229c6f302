#include "core/lipsync/turn.h"

#include "core/error.h"

#include <utility>

namespace latentsync::lipsync {

Turn::Hold::Hold(Hold&& other) noexcept
    : turn_(std::exchange(other.turn_, nullptr)), waiter_(other.waiter_) {}

Turn::Hold::~Hold() {
  if (turn_ != nullptr) turn_->leave(waiter_);
}

Turn::Hold Turn::take(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const auto self = waiting_.emplace(waiting_.end());
  if (changed_.wait(lock, std::move(stop), [&] { return waiting_.begin() == self; })) {
    return {*this, self};
  }
  waiting_.erase(self);
  throw Error(ErrorCode::kCancelled, "Waiting for the model was cancelled.");
}

void Turn::leave(std::list<char>::iterator waiter) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(waiter);
  changed_.notify_all();
}

}  // namespace latentsync::lipsync
