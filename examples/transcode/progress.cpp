#include "examples/transcode/progress.h"

#include "examples/transcode/console.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

/// Work does not stand still for who reads its progress.
constexpr std::chrono::milliseconds kNoWait{0};

std::string clock_text(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  char text[32];
  std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  return text;
}

}  // namespace

Progress::Progress(std::string name, guint64 expected)
    : name_(std::move(name)), expected_(expected), terminal_(isatty(STDERR_FILENO) == 1) {}

double Progress::seconds_since(Clock::time_point begin) const {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Progress::show(const std::string& text) {
  if (!terminal_) {
    write_error(name_ + ": " + text + "\n", kNoWait);
    return;
  }
  const std::string whole = name_ + ": " + text;
  const size_t blanks = width_ > whole.size() ? width_ - whole.size() : 0;
  write_error("\r" + whole + std::string(blanks, ' '), kNoWait);
  width_ = whole.size();
}

void Progress::say(const std::string& text) {
  if (seconds_since(shown_) > (terminal_ ? 0.1 : 5)) {
    show(text);
    shown_ = Clock::now();
  }
}

void Progress::begin() {
  begun_ = Clock::now();
  pace_.begin = begun_;
}

void Progress::window_made(bool cached) {
  ++windows_;
  cached_ += cached ? 1 : 0;
  pace_anew_ = pace_anew_ || cached;
  denoised_ = false;
}

void Progress::window(const std::string& stage, int step, int steps, double part, int frames,
                      double seconds) {
  denoised_ = denoised_ || stage == "denoise";
  if (seconds_since(shown_) < (terminal_ ? 0.2 : 5)) {
    return;
  }
  shown_ = window_shown_ = Clock::now();
  std::string text = std::to_string(frames_);
  if (expected_ > 0) {
    text += "/" + std::to_string(expected_);
  }
  text += " frames, the next " + std::to_string(frames) + ": " + stage;
  if (steps > 0) {
    text += " " + std::to_string(step) + "/" + std::to_string(steps);
  }
  const double made = double(frames_) + part * frames;
  const double rendered = made - double(pace_.frames);
  if (denoised_ && expected_ > made && rendered > 0 && pace_.begin != Clock::time_point()) {
    const double spent = std::max(seconds, seconds_since(pace_.begin));
    text += ", " + clock_text(spent * (double(expected_) - made) / rendered) + " left";
  }
  show(text);
}

double Progress::rate(guint64 frames) const {
  const bool begun = begun_ != Clock::time_point();
  const double seconds = seconds_since(begun ? begun_ : first_);
  const guint64 counted = begun ? frames : frames - std::min(frames, first_frames_);
  return counted > 0 && seconds > 0 ? double(counted) / seconds : 0;
}

void Progress::update(guint64 frames, double part) {
  frames_ = frames;
  if (frames == 0) {
    return;
  }
  if (first_ == Clock::time_point()) {
    first_ = Clock::now();
    first_frames_ = frames;
    pace_anew_ = pace_anew_ || begun_ == Clock::time_point();
  }
  if (pace_anew_) {
    pace_ = {Clock::now(), part, frames};
    pace_anew_ = false;
  }
  // A window that takes long says more.
  if (seconds_since(shown_) < (terminal_ ? 0.2 : 5) || seconds_since(window_shown_) < 20) {
    return;
  }
  shown_ = Clock::now();
  std::string text = std::to_string(frames);
  if (expected_ > 0) {
    text += "/";
    text += std::to_string(std::max(expected_, frames));
  }
  char rest[96];
  std::snprintf(rest, sizeof rest, " frames, %.0f %%", 100 * part);
  text += rest;
  if (rate(frames) > 0) {
    std::snprintf(rest, sizeof rest, ", %.1f frames/s", rate(frames));
    text += rest;
  }
  if (part > pace_.part) {
    text +=
        ", " + clock_text(seconds_since(pace_.begin) * (1 - part) / (part - pace_.part)) + " left";
  }
  if (cached_ > 0) {
    text += ", " + std::to_string(cached_) + " windows from the cache";
  }
  show(text);
}

void Progress::line(const std::string& text) {
  write_error((width_ > 0 ? "\n" : "") + name_ + ": " + text + "\n", kPatience);
  width_ = 0;
  if (listener_) {
    listener_(text);
  }
}

void Progress::finish(guint64 frames) {
  if (cached_ > 0) {
    line(std::to_string(windows_) + " windows, " + std::to_string(cached_) + " from the cache");
  }
  std::string text = std::to_string(frames) + " frames";
  if (rate(frames) > 0) {
    char speed[32];
    std::snprintf(speed, sizeof speed, ", %.1f frames/s", rate(frames));
    text += speed;
  }
  show(text);
  if (terminal_) {
    write_error("\n", kNoWait);
  }
  width_ = 0;
}

}  // namespace latentsync::transcode
