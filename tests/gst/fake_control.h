#pragma once

#include "tests/gst/fake_engine.h"
#include "tests/gst/fake_words.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

namespace latentsync::fake {

/// What the test and the engine share. MUTEX guards all of it and is never held while waiting for
/// anything but CHANGED.
struct Control {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::string words;
  std::vector<WindowRecord> windows;
  std::vector<float> whole_audio;
  bool whole_audio_finished = false;
  std::vector<ModelSettings> loads;
  std::vector<PlanRequest> plans;
  std::vector<PlanRequest> opened;
  std::vector<CacheSettings> caches;
  std::vector<std::string> violations;
  Spend spend;
  bool renders_held = false;
  bool prepares_held = false;
  bool loads_held = false;
  int renders_begun = 0;
  int prepares_begun = 0;
  int prepares_ended = 0;
  int sessions_opened = 0;
  std::atomic<int> live_models = 0;
  std::atomic<int> live_sessions = 0;

  Control();
};

Control& control();

void violation(const std::string& text);

/// All words that hold for a model in FOLDER.
Behaviour behaviour_for(const std::string& folder);

/// Waits while HELD, a member of Control; false where STOP came first.
bool wait_while(const bool& held, const std::stop_token& stop);

}  // namespace latentsync::fake
