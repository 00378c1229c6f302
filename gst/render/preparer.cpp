#include "gst/render/preparer.h"

#include "gst/debug.h"
#include "gst/render/image_bridge.h"

#include <cstdlib>
#include <pthread.h>
#include <string_view>
#include <utility>

namespace latentsync {

bool prepares_ahead() {
  const char* chosen = std::getenv("LATENTSYNC_PREPARE_AHEAD");
  return chosen && std::string_view(chosen) == "1";
}

Preparer::~Preparer() {
  cancel();
  // The thread's own stop comes from the destructor of thread_.
}

uint64_t Preparer::begin(Session& session, NextWindow window,
                         std::shared_ptr<const cuda::PrimaryContext> cuda) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    if (!thread_.joinable()) {
      thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
    stop_ = std::stop_source();
  } catch (...) {
    GST_WARNING("no window is prepared ahead: no thread can be started");
    return 0;
  }
  session_ = &session;
  window_ = std::move(window);
  cuda_ = std::move(cuda);
  number_ = ++begun_;
  changed_.notify_all();
  return number_;
}

void Preparer::finish(Session& session, uint64_t number) noexcept {
  uint64_t finished = 0;
  {
    std::unique_lock lock(mutex_);
    if (number_ != number) stop_.request_stop();
    changed_.wait(lock, [this] { return session_ == nullptr; });
    finished = std::exchange(number_, 0);
  }
  if (finished == number) return;
  // Its frames are recognised by their times and places: others may come that have the same. No
  // window at all takes its place.
  (void)session.prepare({}, {}, {});
}

void Preparer::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  stop_.request_stop();
}

void Preparer::run(const std::stop_token& stop) noexcept {
  pthread_setname_np(pthread_self(), "latentsync-next");
  for (;;) {
    std::stop_token window_stop;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return session_ != nullptr; })) return;
      window_stop = stop_.get_token();
    }
    prepare(window_, window_stop);
    window_ = {};  // its buffers are the worker's alone again
    cuda_.reset();
    const std::lock_guard lock(mutex_);
    session_ = nullptr;
    changed_.notify_all();
  }
}

void Preparer::prepare(NextWindow& next, const std::stop_token& stop) noexcept {
  std::optional<Failure> failure;
  try {
    MappedFrames frames(next.group, nullptr, cuda_);
    const Window window{&frames,      next.group.discontinuity,
                        next.audio,   next.audio_start,
                        std::nullopt, next.at_rest};
    failure = session_->prepare(window, next.settings, stop);
  } catch (...) {
    GST_DEBUG("the next window is not prepared: no memory");
    return;
  }
  GST_DEBUG("the next window is %s%s", failure ? "not prepared: " : "prepared",
            failure ? failure->message.c_str() : "");
}

}  // namespace latentsync
