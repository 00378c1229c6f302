#include "tests/gst/support.h"

#include "tests/gst/media.h"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <malloc.h>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace latentsync::test {
namespace {

std::mutex warnings_mutex;
std::vector<std::string> warnings;

void note_warning(const gchar* domain, GLogLevelFlags level, const gchar* message, gpointer) {
  if ((level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR)) == 0) return;
  std::fprintf(stderr, "%s: %s\n", domain ? domain : "?", message);
  const std::lock_guard lock(warnings_mutex);
  warnings.push_back(std::string(domain ? domain : "?") + ": " + message);
}

double time_factor() {
  const char* text = std::getenv("LATENTSYNC_TEST_TIME_FACTOR");
  return text ? std::atof(text) : 1.0;
}

/// Ends the process when a test's time is over.
class Watchdog {
 public:
  Watchdog() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void arm(const std::string& name, std::chrono::milliseconds limit) {
    const std::lock_guard lock(mutex_);
    name_ = name;
    limit_ = limit;
    deadline_ = std::chrono::steady_clock::now() + limit;
    changed_.notify_all();
  }
  void disarm() {
    const std::lock_guard lock(mutex_);
    deadline_.reset();
    changed_.notify_all();
  }

 private:
  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      if (!deadline_) {
        changed_.wait(lock, stop, [this] { return deadline_.has_value(); });
        continue;
      }
      const auto deadline = *deadline_;
      if (changed_.wait_until(lock, stop, deadline, [&] { return deadline_ != deadline; }))
        continue;
      if (stop.stop_requested()) return;
      std::fprintf(stderr, "HANG: %s did not end within %.0f s\n", name_.c_str(),
                   static_cast<double>(limit_.count()) / 1000);
      std::fflush(nullptr);
      std::abort();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string name_;
  std::chrono::milliseconds limit_{0};
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::jthread thread_;
};

Watchdog& watchdog() {
  static Watchdog the_watchdog;
  return the_watchdog;
}

std::string running_test() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  return info ? std::string(info->test_suite_name()) + "." + info->name() : "the program";
}

}  // namespace

std::string mode_name(const testing::TestParamInfo<Mode>& info) {
  return info.param == Mode::kLive ? "Live" : "NotLive";
}

Ref<GstCaps> caps_of(const std::string& text) {
  return Ref<GstCaps>(gst_caps_from_string(text.c_str()));
}

std::vector<std::string> take_warnings() {
  const std::lock_guard lock(warnings_mutex);
  return std::exchange(warnings, {});
}

void watch(std::chrono::seconds limit) { watchdog().arm(running_test(), patience(limit)); }

std::chrono::milliseconds patience(std::chrono::milliseconds limit) {
  return std::chrono::milliseconds(
      static_cast<int64_t>(static_cast<double>(limit.count()) * time_factor()));
}

int64_t resident_bytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

void ElementTest::SetUp() {
  watch(std::chrono::seconds(30));
  take_warnings();
  fake::reset();
}

void ElementTest::TearDown() {
  EXPECT_EQ(take_warnings(), std::vector<std::string>{});
  EXPECT_EQ(fake::violations(), std::vector<std::string>{});
  EXPECT_EQ(fake::live_models(), 0) << "models are leaked";
  EXPECT_EQ(fake::live_sessions(), 0) << "sessions are leaked";
  EXPECT_EQ(live_source_buffers(), 0) << "buffers are leaked";
  watchdog().disarm();
}

}  // namespace latentsync::test

int main(int argc, char** argv) {
  using namespace latentsync::test;
  testing::InitGoogleTest(&argc, argv);
  // The plugin and the engine of this build, whatever is installed; a caller may say otherwise.
  g_setenv("GST_PLUGIN_PATH", LATENTSYNC_PLUGIN_FOLDER, FALSE);
  g_setenv("LATENTSYNC_ENGINE", LATENTSYNC_FAKE_ENGINE, FALSE);
  g_setenv("GST_REGISTRY", LATENTSYNC_TEST_REGISTRY, FALSE);
  // HostTest looks at them.
  g_setenv("GST_TRACERS", "leaks(filters=GstElement)", FALSE);
  g_log_set_default_handler(note_warning, nullptr);
  gst_init(&argc, &argv);
  return RUN_ALL_TESTS();
}
