#include "core/lipsync/device_sessions.h"

#include "core/error.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

namespace latentsync::lipsync {

DeviceSessions& DeviceSessions::of(c10::Device device) {
  // Never destroyed: sessions may be held until the process ends.
  static auto* const mutex = new std::mutex;
  static auto* const all = new std::map<std::string, std::unique_ptr<DeviceSessions>>;
  const std::lock_guard lock(*mutex);
  auto& sessions = (*all)[device.str()];
  if (!sessions) sessions = std::make_unique<DeviceSessions>();
  return *sessions;
}

DeviceSessions::Member::Member(DeviceSessions& sessions, Rungs& rungs)
    : sessions_(sessions), rungs_(rungs) {
  const std::lock_guard lock(sessions_.mutex_);
  place_ = sessions_.members_.insert(sessions_.members_.end(), this);
}

DeviceSessions::Member::~Member() {
  const std::lock_guard lock(sessions_.mutex_);
  sessions_.members_.erase(place_);
  ++sessions_.ended_;
  sessions_.changed_.notify_all();
}

void DeviceSessions::Member::begin_window() {
  const std::lock_guard lock(sessions_.mutex_);
  ++windows_;
}

void DeviceSessions::Member::end_window() noexcept {
  const std::lock_guard lock(sessions_.mutex_);
  --windows_;
  ++sessions_.ended_;
  sessions_.changed_.notify_all();
}

bool DeviceSessions::Member::wait_for_room(const std::stop_token& stop) {
  std::unique_lock lock(sessions_.mutex_);
  const auto is_hopeless = [&] {
    return std::ranges::none_of(sessions_.members_, [&](const Member* member) {
      return member != this && member->can_make_room();
    });
  };
  for (auto* member : sessions_.members_) {
    if (member != this) member->rungs_.ask_to_go_lower();
  }
  const auto ended = sessions_.ended_;
  waiting_ = true;
  sessions_.changed_.notify_all();
  const bool stopped = !sessions_.changed_.wait(
      lock, stop, [&] { return sessions_.ended_ != ended || is_hopeless(); });
  waiting_ = false;
  if (stopped) throw Error(ErrorCode::kCancelled, "Rendering was cancelled.");
  return sessions_.ended_ != ended;
}

}  // namespace latentsync::lipsync
