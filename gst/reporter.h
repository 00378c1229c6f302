#pragma once

#include "gst/input/frame_group.h"
#include "gst/render/worker.h"
#include "gst/settings.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>

/// What the element posts on the bus, and counts.
namespace latentsync {

/// Since the element went to PAUSED. Of the frames that have arrived and are not held any more each
/// was edited, passed or dropped.
struct Statistics {
  uint64_t windows = 0;
  uint64_t cache_hits = 0;  ///< of them
  uint64_t frames_in = 0;
  uint64_t frames_edited = 0;   ///< and output
  uint64_t frames_passed = 0;   ///< output as they arrived
  uint64_t frames_late = 0;     ///< of both, those output after a missed deadline
  uint64_t frames_dropped = 0;  ///< by flushes, errors and the way to READY
  StageSeconds seconds;
  double render_seconds = 0;
  int64_t memory_peak = 0;     ///< bytes: the most of a window
  int64_t memory_planned = 0;  ///< bytes: of the plan that is in force
  std::string memory_rung;     ///< of it
};

/// What a warning is about.
enum class Topic { kGraph, kPads, kStream, kMemory, kCache };

/// How late a frame is.
struct Lateness {
  int64_t jitter_ns = 0;  ///< after its deadline; negative: given up with its window before
  double proportion = 1;  ///< a window's rendering time to its duration
  bool edited = false;
};

/// QoS messages' quality of a frame that is edited as it was asked for.
constexpr int kFullQuality = 1'000'000;

/// From this window on a live graph gets another quality.
struct QualityChange {
  int64_t running_ns = 0;  ///< of its first frame
  int64_t stream_ns = 0;
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  int64_t duration_ns = 0;
  int64_t jitter_ns = 0;  ///< how late it would have been; negative: how early
  double proportion = 1;  ///< its rendering time to its duration, had nothing changed
  int quality = kFullQuality;
};

/// All functions: from any thread, with no lock of the stream held.
class Reporter {
 public:
  explicit Reporter(GstElement* element) : element_(element) {}

  /// A new run: nothing has been counted, posted or failed.
  void start();

  /// Posts the one error of a run; nothing more is rendered after it.
  void post_failure(const Failure& failure);
  /// The error is on the bus: from now on buffers are refused. Sources that are refused post errors
  /// of their own, which must come second.
  bool failed() const { return failed_; }

  /// A warning, once for each CAUSE and run. Takes DETAILS, whose field "cause" it sets.
  void warn_once(Topic topic, const char* cause, const std::string& message,
                 const std::string& debug = {}, GstStructure* details = nullptr);

  /// A window has been rendered: counts it, and posts what became of it.
  void post_window(const Outcome& outcome, NoFace no_face);
  /// WORDS of the engine about the result cache; the same ones once.
  void warn_cache(const std::string& words);
  /// A window that takes long has got so far: posts it, at most twice a second.
  void post_progress(const Job& job, const RenderProgress& progress);
  void post_late(const Frame& frame, const Lateness& lateness);
  void post_quality(const QualityChange& change);
  /// A window could not be rendered, and it is tried again. Warns once for each cause.
  void warn_failure(const Failure& failure);
  /// Windows take TOOK_NS where there are THERE_IS_NS for them. Warns once.
  void warn_too_slow(int64_t took_ns, int64_t there_is_ns, LatePolicy policy);
  void post_seed(int64_t seed);
  void post_plan(const MemoryPlan& plan);
  void post_load(GstProgressType type, const std::string& text, int percent);

  void count_in();
  void count_out(const Frame& frame, bool late);
  void count_dropped(int frames);
  void set_model(const ModelInfo& info, const RenderSettings& resolved);
  /// What a model is rendered with, in one line.
  static std::string in_force(const ModelInfo& info, const RenderSettings& resolved);
  /// Ownership goes to the caller.
  GstStructure* statistics() const;

 private:
  void post(GstStructure* structure);
  /// Whether WARNING, its cause or its words, is new in this run.
  bool is_first(const std::string& warning);
  void post_qos(GstMessage* message, uint64_t late);
  void report_faceless(const Job& job, const WindowResult& result, NoFace no_face);

  GstElement* const element_;
  std::atomic<bool> posts_failure_ = false;  ///< whoever sets it posts
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  std::set<std::string> warned_;
  Statistics statistics_;
  ModelInfo model_;          ///< empty until it is loaded
  RenderSettings settings_;  ///< that it was loaded for, resolved

  // Of the worker's thread.
  std::optional<uint64_t> window_;  ///< the last one that had progress
  std::chrono::steady_clock::time_point window_begin_, progress_posted_;
};

}  // namespace latentsync
