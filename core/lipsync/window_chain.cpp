#include "core/lipsync/window_chain.h"

#include "core/error.h"

#include <utility>

namespace latentsync::lipsync {

WindowChain::Rendering::Rendering(WindowChain& chain, WindowKey key)
    : chain_(chain), key_(std::move(key)) {
  const std::lock_guard lock(chain_.mutex_);
  // A discontinuity makes a state of its own, which no other window enters with.
  entering_ = key_.discontinuity ? State{} : chain_.state_;
  chain_.rendering_ = this;
}

WindowChain::Rendering::~Rendering() {
  const std::lock_guard lock(chain_.mutex_);
  if (chain_.rendering_ == this) chain_.finish();
}

std::optional<Prepared> WindowChain::Rendering::take(const std::stop_token& stop) {
  std::unique_lock lock(chain_.mutex_);
  const auto done = [&] { return !(chain_.preparing_ && *chain_.preparing_ == key_); };
  if (!chain_.changed_.wait(lock, stop, done)) {
    throw Error(ErrorCode::kCancelled, "Rendering was cancelled.");
  }
  auto ahead = std::exchange(chain_.ahead_, std::nullopt);
  if (!ahead || ahead->entering != entering_.number || !(ahead->key == key_)) return std::nullopt;
  return std::move(ahead->prepared);
}

void WindowChain::Rendering::leave(const face::FollowState& follow) {
  const std::lock_guard lock(chain_.mutex_);
  chain_.leaving_ = {follow, ++chain_.numbers_};
  chain_.changed_.notify_all();
}

void WindowChain::Rendering::commit() noexcept {
  const std::lock_guard lock(chain_.mutex_);
  chain_.state_ = std::move(*chain_.leaving_);
  chain_.finish();
}

void WindowChain::finish() noexcept {
  rendering_ = nullptr;
  leaving_.reset();
  changed_.notify_all();
}

void WindowChain::drop_prepared() noexcept {
  const std::lock_guard lock(mutex_);
  ahead_.reset();
}

std::optional<WindowChain::State> WindowChain::begin_preparing(const WindowKey& key,
                                                               const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto is_rendered = [&] { return rendering_ != nullptr && rendering_->key_ == key; };
  const auto is_known = [&] { return rendering_ == nullptr || leaving_; };
  if (!changed_.wait(lock, stop, [&] { return is_known() || is_rendered(); })) {
    throw Error(ErrorCode::kCancelled, "Preparing a window was cancelled.");
  }
  if (is_rendered()) return std::nullopt;
  preparing_ = key;
  if (key.discontinuity) return State{};
  return rendering_ == nullptr ? state_ : *leaving_;
}

void WindowChain::end_preparing(uint64_t entering, std::optional<Prepared> prepared) noexcept {
  const std::lock_guard lock(mutex_);
  if (preparing_ && prepared) ahead_ = {std::move(*preparing_), entering, std::move(*prepared)};
  preparing_.reset();
  changed_.notify_all();
}

}  // namespace latentsync::lipsync
