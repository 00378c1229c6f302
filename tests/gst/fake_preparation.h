#pragma once

#include "tests/gst/fake_engine.h"
#include "tests/gst/fake_words.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace latentsync::fake {

/// What a session has prepared ahead of time: a window is recognised as core/engine.h has it, by
/// everything but its pixels. For the thread that prepares and the one that renders.
class Preparation {
 public:
  /// DEVICE: the model's.
  explicit Preparation(std::string device) : device_(std::move(device)) {}

  /// Takes the time that BEHAVIOUR says, and waits while preparing is held.
  std::optional<Failure> prepare(const Window& window, const RenderSettings& settings,
                                 const Behaviour& behaviour, const std::stop_token& stop);
  /// Whether that window was prepared; what was prepared is used up. A window that is taken for
  /// another one, which has other pixels, is a violation.
  bool take(const Window& window, const RenderSettings& settings);

 private:
  struct Prepared {
    std::vector<int64_t> times;
    std::vector<const void*> places;
    std::vector<uint64_t> pictures;
    std::vector<float> audio;
    int64_t audio_start = 0;
    bool discontinuity = false;
    std::vector<bool> at_rest;
    RenderSettings settings;

    bool operator==(const Prepared&) const = default;
  };
  Prepared read(const Window& window, const RenderSettings& settings) const;

  const std::string device_;
  std::mutex mutex_;
  std::optional<Prepared> prepared_;
  std::atomic<bool> busy_ = false;
};

}  // namespace latentsync::fake
