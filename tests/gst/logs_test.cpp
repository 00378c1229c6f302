#include "tests/gst/clip.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

/// A bug report with GST_DEBUG=latentsync:6 can be worked with.
namespace latentsync::test {
namespace {

/// Collects the lines of the category latentsync, at all levels up to LOG, while it lives.
class LogLines {
 public:
  LogLines() {
    gst_debug_remove_log_function(gst_debug_log_default);
    gst_debug_add_log_function(&LogLines::line, this, nullptr);
    gst_debug_set_active(TRUE);
    gst_debug_set_threshold_from_string("latentsync:6", FALSE);
  }
  ~LogLines() {
    gst_debug_set_threshold_from_string("latentsync:0", FALSE);
    gst_debug_remove_log_function_by_data(this);
    gst_debug_add_log_function(gst_debug_log_default, nullptr, nullptr);
  }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  size_t count(GstDebugLevel level) {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count_if(
        lines_.begin(), lines_.end(), [&](const Line& line) { return line.level == level; }));
  }
  bool has(const std::string& words) {
    const std::lock_guard lock(mutex_);
    return std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) {
      return line.text.find(words) != std::string::npos;
    });
  }
  size_t without_object() {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count_if(lines_.begin(), lines_.end(),
                                             [](const Line& line) { return !line.with_object; }));
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    lines_.clear();
  }

 private:
  struct Line {
    GstDebugLevel level;
    bool with_object;
    std::string text;
  };

  static void line(GstDebugCategory* category, GstDebugLevel level, const gchar*, const gchar*,
                   gint, GObject* object, GstDebugMessage* message, gpointer data) {
    auto* self = static_cast<LogLines*>(data);
    if (std::string(gst_debug_category_get_name(category)) != "latentsync") return;
    const std::lock_guard lock(self->mutex_);
    self->lines_.push_back({level, object != nullptr, gst_debug_message_get(message)});
  }

  std::mutex mutex_;
  std::vector<Line> lines_;
};

class Logs : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(Logs);
class LiveLogs : public ElementTest {};

// There is a line for each buffer that comes and leaves, and for each decision: segments, windows,
// flushes, seeks.
TEST_P(Logs, TellBuffersAndDecisions) {
  LogLines lines;
  Rig rig(GetParam());
  run(rig, Clip{});
  EXPECT_GE(lines.count(GST_LEVEL_LOG), 2 * 40 + 80u);
  // A segment of each pad, three windows, each begun and ended, and two ends.
  EXPECT_GE(lines.count(GST_LEVEL_DEBUG), 10u);
  lines.clear();
  ASSERT_TRUE(seek(rig, Clip{}));
  ASSERT_TRUE(rig.wait_eos());
  EXPECT_TRUE(lines.has("seek"));
  EXPECT_TRUE(lines.has("flush"));
  EXPECT_TRUE(lines.has("segment"));
  EXPECT_TRUE(lines.has("window"));
  EXPECT_EQ(lines.without_object(), 0u);
}

// What is late is told too.
TEST_F(LiveLogs, TellWhatIsLate) {
  LogLines lines;
  fake::hold_renders();
  Rig rig(Mode::kLive);
  rig.start();
  Clip clip;
  clip.frames = 16;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  Clip sound;
  sound.frames = 60;
  feed_samples(rig.audio, sound);
  ASSERT_TRUE(fake::wait_for_renders(1));
  const GstClockTime late = rig.update_latency().least + 10 * GST_SECOND;
  lines.clear();
  ASSERT_TRUE(rig.wait_buffers_at(late, 16));
  EXPECT_TRUE(lines.has("late") || lines.has("deadline"));
  fake::release();
}

}  // namespace
}  // namespace latentsync::test
