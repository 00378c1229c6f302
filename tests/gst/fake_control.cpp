#include "tests/gst/fake_control.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace latentsync::fake {

Control::Control() {
  if (const char* given = std::getenv("LATENTSYNC_FAKE")) words = given;
}

Control& control() {
  static Control the_control;
  return the_control;
}

void violation(const std::string& text) {
  const std::lock_guard lock(control().mutex);
  control().violations.push_back(text);
}

Behaviour behaviour_for(const std::string& folder) {
  Behaviour behaviour;
  {
    const std::lock_guard lock(control().mutex);
    read_words(control().words, behaviour);
  }
  if (folder.starts_with("fake:")) {
    read_words(folder.substr(5), behaviour);
  } else if (std::ifstream file(std::filesystem::path(folder) / "fake"); file) {
    read_words({std::istreambuf_iterator<char>(file), {}}, behaviour);
  }
  return behaviour;
}

bool wait_while(const bool& held, const std::stop_token& stop) {
  std::unique_lock lock(control().mutex);
  return control().changed.wait(lock, stop, [&] { return !held; });
}

void reset() {
  Control& shared = control();
  const std::lock_guard lock(shared.mutex);
  shared.words.clear();
  shared.windows.clear();
  shared.whole_audio.clear();
  shared.whole_audio_finished = false;
  shared.loads.clear();
  shared.plans.clear();
  shared.opened.clear();
  shared.caches.clear();
  shared.violations.clear();
  shared.spend = nullptr;
  shared.renders_held = shared.prepares_held = shared.loads_held = false;
  shared.renders_begun = shared.sessions_opened = 0;
  shared.prepares_begun = shared.prepares_ended = 0;
  shared.changed.notify_all();
}

void behave(const std::string& words) {
  Behaviour checked;
  read_words(words, checked);
  const std::lock_guard lock(control().mutex);
  control().words += "," + words;
}

std::vector<WindowRecord> windows() {
  const std::lock_guard lock(control().mutex);
  return control().windows;
}

std::vector<float> whole_audio() {
  const std::lock_guard lock(control().mutex);
  return control().whole_audio;
}

bool whole_audio_finished() {
  const std::lock_guard lock(control().mutex);
  return control().whole_audio_finished;
}

std::vector<ModelSettings> loads() {
  const std::lock_guard lock(control().mutex);
  return control().loads;
}

std::vector<PlanRequest> plans() {
  const std::lock_guard lock(control().mutex);
  return control().plans;
}

std::vector<CacheSettings> caches() {
  const std::lock_guard lock(control().mutex);
  return control().caches;
}

std::vector<PlanRequest> opened() {
  const std::lock_guard lock(control().mutex);
  return control().opened;
}

std::vector<std::string> violations() {
  const std::lock_guard lock(control().mutex);
  return control().violations;
}

int live_models() { return control().live_models; }
int live_sessions() { return control().live_sessions; }
int sessions_opened() {
  const std::lock_guard lock(control().mutex);
  return control().sessions_opened;
}

void spend_with(Spend spend) {
  const std::lock_guard lock(control().mutex);
  control().spend = std::move(spend);
}

void hold_renders() {
  const std::lock_guard lock(control().mutex);
  control().renders_held = true;
}

void hold_prepares() {
  const std::lock_guard lock(control().mutex);
  control().prepares_held = true;
}

void hold_loads() {
  const std::lock_guard lock(control().mutex);
  control().loads_held = true;
}

void release_renders() {
  const std::lock_guard lock(control().mutex);
  control().renders_held = false;
  control().changed.notify_all();
}

void release() {
  const std::lock_guard lock(control().mutex);
  control().renders_held = control().prepares_held = control().loads_held = false;
  control().changed.notify_all();
}

bool wait_for_renders(int count, std::chrono::milliseconds limit) {
  std::unique_lock lock(control().mutex);
  return control().changed.wait_for(lock, limit, [&] { return control().renders_begun >= count; });
}

bool wait_for_prepares(int count, std::chrono::milliseconds limit) {
  std::unique_lock lock(control().mutex);
  return control().changed.wait_for(lock, limit, [&] { return control().prepares_begun >= count; });
}

bool wait_for_prepared(int count, std::chrono::milliseconds limit) {
  std::unique_lock lock(control().mutex);
  return control().changed.wait_for(lock, limit, [&] { return control().prepares_ended >= count; });
}

bool wait_for_loads(int count, std::chrono::milliseconds limit) {
  std::unique_lock lock(control().mutex);
  return control().changed.wait_for(
      lock, limit, [&] { return static_cast<int>(control().loads.size()) >= count; });
}

}  // namespace latentsync::fake
