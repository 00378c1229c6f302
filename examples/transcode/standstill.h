#pragma once

#include <chrono>
#include <cstdlib>
#include <glib.h>

namespace latentsync::transcode {

/// How long nothing may move before a run is given up, in seconds: LATENTSYNC_PATIENCE, else 60.
inline std::chrono::seconds patience() {
  const char* text = std::getenv("LATENTSYNC_PATIENCE");
  const long seconds = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  return std::chrono::seconds(seconds > 0 ? seconds : 60);
}

/// Tells a pause from a standstill: a count that has stayed the same for as long as patience()
/// says.
class Standstill {
 public:
  /// Called again and again with what has moved so far. True: nothing has, for too long.
  bool is_at(guint64 moved) {
    const auto now = std::chrono::steady_clock::now();
    if (moved != moved_) {
      moved_ = moved;
      since_ = now;
    }
    return now - since_ >= patience_;
  }

 private:
  std::chrono::seconds patience_ = patience();
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  guint64 moved_ = 0;
};

}  // namespace latentsync::transcode
