#include "gst/reporter.h"

#include "gst/debug.h"
#include "gst/error_domain.h"
#include "gst/plan_structure.h"

#include <algorithm>
#include <cstdio>

namespace latentsync {
namespace {

Domain warning_domain(Topic topic) {
  switch (topic) {
    case Topic::kPads:
      return {GST_CORE_ERROR, GST_CORE_ERROR_PAD};
    case Topic::kGraph:
      return {GST_CORE_ERROR, GST_CORE_ERROR_FAILED};
    case Topic::kMemory:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT};
    case Topic::kCache:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED};
    default:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED};
  }
}

void post_message(GstElement* element, GstMessageType type, Domain domain,
                  const std::string& message, const std::string& debug, const char* cause,
                  GstStructure* details) {
  if (!details) details = gst_structure_new_empty("latentsync-details");
  gst_structure_set(details, "cause", G_TYPE_STRING, cause, nullptr);
  gst_element_message_full_with_details(element, type, domain.domain, domain.code,
                                        g_strdup(message.c_str()), g_strdup(debug.c_str()),
                                        __FILE__, __func__, __LINE__, details);
}

std::string clock_time(int64_t ns) {
  char text[64];
  std::snprintf(text, sizeof text, "%" GST_TIME_FORMAT,
                GST_TIME_ARGS(static_cast<GstClockTime>(std::max<int64_t>(ns, 0))));
  return text;
}

void set_seconds(GstStructure* structure, const StageSeconds& seconds) {
  gst_structure_set(structure, "seconds-face", G_TYPE_DOUBLE, seconds.face, "seconds-audio",
                    G_TYPE_DOUBLE, seconds.audio, "seconds-encode", G_TYPE_DOUBLE, seconds.encode,
                    "seconds-denoise", G_TYPE_DOUBLE, seconds.denoise, "seconds-decode",
                    G_TYPE_DOUBLE, seconds.decode, "seconds-paste", G_TYPE_DOUBLE, seconds.paste,
                    nullptr);
}

void add_seconds(StageSeconds& sum, const StageSeconds& seconds) {
  sum.face += seconds.face;
  sum.audio += seconds.audio;
  sum.encode += seconds.encode;
  sum.denoise += seconds.denoise;
  sum.decode += seconds.decode;
  sum.paste += seconds.paste;
}

const char* attention_name(Attention attention) {
  switch (attention) {
    case Attention::kFlash:
      return "flash";
    case Attention::kStandard:
      return "standard";
    default:
      return "flex";
  }
}

/// Rounded up.
guint64 mebibytes(int64_t bytes) {
  constexpr int64_t kMebibyte = 1 << 20;
  return static_cast<guint64>((bytes + kMebibyte - 1) / kMebibyte);
}

const char* outcome_name(FrameOutcome outcome) {
  switch (outcome) {
    case FrameOutcome::kEdited:
      return "edited";
    case FrameOutcome::kImplausible:
      return "implausible";
    default:
      return "no-face";
  }
}

GstStructure* frame_structure(const Frame& frame, const FrameResult& result) {
  GstStructure* structure =
      gst_structure_new("frame", "stream-time", G_TYPE_INT64, frame.stream_ns, "outcome",
                        G_TYPE_STRING, outcome_name(result.outcome), "confidence", G_TYPE_DOUBLE,
                        result.confidence, "weight", G_TYPE_DOUBLE, result.weight, nullptr);
  if (result.outcome != FrameOutcome::kNoFace) {
    gst_structure_set(structure, "left", G_TYPE_DOUBLE, result.face.left, "top", G_TYPE_DOUBLE,
                      result.face.top, "width", G_TYPE_DOUBLE, result.face.width, "height",
                      G_TYPE_DOUBLE, result.face.height, nullptr);
  }
  if (result.mouth_opening) {
    gst_structure_set(structure, "mouth-opening", G_TYPE_DOUBLE, *result.mouth_opening, nullptr);
  }
  return structure;
}

void set_results(GstStructure* structure, const Job& job, const WindowResult& result) {
  GValue frames = G_VALUE_INIT;
  gst_value_array_init(&frames, static_cast<guint>(result.frames.size()));
  for (size_t number = 0; number < result.frames.size(); ++number) {
    const Frame& frame = job.group.frame(static_cast<int>(number));
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, frame_structure(frame, result.frames[number]));
    gst_value_array_append_and_take_value(&frames, &value);
  }
  gst_structure_take_value(structure, "results", &frames);
}

bool lacks_face(FrameOutcome outcome) {
  return outcome == FrameOutcome::kNoFace || outcome == FrameOutcome::kImplausible;
}

}  // namespace

void Reporter::start() {
  std::lock_guard lock(mutex_);
  statistics_ = {};
  model_ = {};
  settings_ = {};
  window_.reset();
  warned_.clear();
  posts_failure_ = false;
  failed_ = false;
}

void Reporter::post(GstStructure* structure) {
  gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), structure));
}

void Reporter::post_failure(const Failure& failure) {
  if (posts_failure_.exchange(true)) return;
  post_message(element_, GST_MESSAGE_ERROR, error_domain(failure.code), failure.message,
               failure.detail, cause_of(failure.code), nullptr);
  failed_ = true;
}

bool Reporter::is_first(const std::string& warning) {
  std::lock_guard lock(mutex_);
  return warned_.insert(warning).second;
}

void Reporter::warn_once(Topic topic, const char* cause, const std::string& message,
                         const std::string& debug, GstStructure* details) {
  if (is_first(cause)) {
    post_message(element_, GST_MESSAGE_WARNING, warning_domain(topic), message, debug, cause,
                 details);
  } else if (details) {
    gst_structure_free(details);
  }
}

void Reporter::warn_cache(const std::string& words) {
  // What cannot be read and what cannot be written differ in their words alone.
  if (!is_first(words)) return;
  post_message(element_, GST_MESSAGE_WARNING, warning_domain(Topic::kCache), words, {},
               "disk-cache", nullptr);
}

void Reporter::report_faceless(const Job& job, const WindowResult& result, NoFace no_face) {
  const auto faceless = std::find_if(result.frames.begin(), result.frames.end(),
                                     [](const auto& f) { return lacks_face(f.outcome); });
  if (faceless == result.frames.end()) return;
  const bool none = faceless->outcome == FrameOutcome::kNoFace;
  const char* cause = none ? "no-face" : "implausible-face";
  const auto number = static_cast<int>(faceless - result.frames.begin());
  const std::string where =
      std::string(none ? "No face was found"
                       : "The face is too small, too oddly shaped or too uncertain") +
      " at " + clock_time(job.group.frame(number).stream_ns);
  char debug[96];
  std::snprintf(debug, sizeof debug, "window %llu, frame %d, confidence %.3f, %.0f x %.0f pixels",
                static_cast<unsigned long long>(job.index), number, faceless->confidence,
                faceless->face.width, faceless->face.height);
  if (no_face != NoFace::kError) {
    warn_once(Topic::kStream, cause, where + ": such frames pass through unedited.", debug);
  } else if (!posts_failure_.exchange(true)) {
    post_message(element_, GST_MESSAGE_ERROR, warning_domain(Topic::kStream),
                 where + ". Set no-face=pass-through to pass such frames through, or cut them out.",
                 debug, cause, nullptr);
    failed_ = true;
  }
}

void Reporter::post_window(const Outcome& outcome, NoFace no_face) {
  const Job& job = outcome.job;
  const WindowResult& result = *outcome.result;
  int edited = 0, faces = 0;
  for (const FrameResult& frame : result.frames) {
    edited += frame.outcome == FrameOutcome::kEdited;
    faces += frame.faces;
  }
  {
    std::lock_guard lock(mutex_);
    ++statistics_.windows;
    statistics_.cache_hits += result.cached;
    statistics_.render_seconds += outcome.seconds;
    add_seconds(statistics_.seconds, result.seconds);
    statistics_.memory_peak = std::max(statistics_.memory_peak, result.memory_peak);
  }
  GST_DEBUG_OBJECT(element_, "window %" G_GUINT64_FORMAT ": %d of %d frames are edited, %s",
                   job.index, edited, job.group.frames,
                   result.cached ? "from the cache" : "rendered");
  const Frame& first = job.group.frame(0);
  GstStructure* structure = gst_structure_new(
      "latentsync-window", "index", G_TYPE_UINT64, job.index, "pts", G_TYPE_UINT64,
      GST_BUFFER_PTS(first.buffer.get()), "running-time", G_TYPE_INT64, first.running_ns,
      "stream-time", G_TYPE_INT64, first.stream_ns, "frames", G_TYPE_INT, job.group.frames,
      "edited", G_TYPE_INT, edited, "passed", G_TYPE_INT, job.group.frames - edited, "faces",
      G_TYPE_INT, faces, "discontinuity", G_TYPE_BOOLEAN, job.group.discontinuity, "cached",
      G_TYPE_BOOLEAN, result.cached, "seconds", G_TYPE_DOUBLE, outcome.seconds, "rung",
      G_TYPE_STRING, result.rung.c_str(), "memory-peak", G_TYPE_INT64, result.memory_peak, nullptr);
  set_seconds(structure, result.seconds);
  set_results(structure, job, result);
  post(structure);
  if (!result.cache_warning.empty()) warn_cache(result.cache_warning);
  report_faceless(job, result, no_face);
}

void Reporter::post_late(const Frame& frame, const Lateness& lateness) {
  GstBuffer* buffer = frame.buffer.get();
  GstMessage* message = gst_message_new_qos(
      GST_OBJECT(element_), TRUE, static_cast<guint64>(std::max<int64_t>(frame.running_ns, 0)),
      static_cast<guint64>(std::max<int64_t>(frame.stream_ns, 0)), GST_BUFFER_PTS(buffer),
      GST_BUFFER_DURATION(buffer));
  gst_message_set_qos_values(message, lateness.jitter_ns, lateness.proportion,
                             lateness.edited ? kFullQuality : 0);
  post_qos(message, 1);
}

void Reporter::post_quality(const QualityChange& change) {
  const auto time = [](int64_t ns) { return static_cast<guint64>(std::max<int64_t>(ns, 0)); };
  GstMessage* message =
      gst_message_new_qos(GST_OBJECT(element_), TRUE, time(change.running_ns),
                          time(change.stream_ns), change.pts, time(change.duration_ns));
  gst_message_set_qos_values(message, change.jitter_ns, change.proportion, change.quality);
  post_qos(message, 0);
}

/// With the statistics, and so many LATE frames that are not counted yet.
void Reporter::post_qos(GstMessage* message, uint64_t late) {
  {
    std::lock_guard lock(mutex_);
    gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS,
                              statistics_.frames_edited + statistics_.frames_passed,
                              statistics_.frames_late + late);
  }
  gst_element_post_message(element_, message);
}

void Reporter::warn_failure(const Failure& failure) {
  const char* cause = cause_of(failure.code);
  if (!is_first(std::string("render-") + cause)) return;
  post_message(element_, GST_MESSAGE_WARNING, error_domain(failure.code),
               failure.message +
                   " This graph is live: frames pass through unedited, and it is tried again after "
                   "1 s, and after longer pauses up to 30 s. Set no-fallback=true for an error.",
               failure.detail, cause, nullptr);
}

void Reporter::warn_too_slow(int64_t took_ns, int64_t there_is_ns, LatePolicy policy) {
  const auto ms = [](int64_t ns) { return std::to_string(ns / 1'000'000) + " ms"; };
  const char* consequence = "Windows are rendered with fewer steps, or pass through unedited";
  if (policy == LatePolicy::kPassThrough) consequence = "Windows pass through unedited";
  if (policy == LatePolicy::kWait) consequence = "Frames are output late";
  warn_once(Topic::kStream, "too-slow",
            "The model is too slow for this live graph: it takes " + ms(took_ns) +
                " for a window where there are " + ms(there_is_ns) + ". " + consequence +
                ". Use a faster device, fewer inference-steps, or fewer frames per second.");
}

void Reporter::post_seed(int64_t seed) {
  post(gst_structure_new("latentsync-seed", "seed", G_TYPE_INT64, seed, nullptr));
}

void Reporter::post_plan(const MemoryPlan& plan) {
  const PlannedRung& planned = plan.rung();
  GST_INFO_OBJECT(element_,
                  "memory plan on %s: rung %s, %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                  " bytes, windows of at most %d frames",
                  plan.device.c_str(), planned.rung.name.c_str(), planned.peak, plan.budget,
                  window_frames_of(plan));
  {
    std::lock_guard lock(mutex_);
    statistics_.memory_planned = planned.peak;
    statistics_.memory_rung = planned.rung.name;
  }
  post(plan_structure(plan));
}

void Reporter::post_load(GstProgressType type, const std::string& text, int percent) {
  GstMessage* message =
      gst_message_new_progress(GST_OBJECT(element_), type, "model-load", text.c_str());
  gst_structure_set(gst_message_writable_structure(message), "percent", G_TYPE_INT, percent,
                    nullptr);
  gst_element_post_message(element_, message);
}

void Reporter::count_in() {
  std::lock_guard lock(mutex_);
  ++statistics_.frames_in;
}

void Reporter::count_out(const Frame& frame, bool late) {
  std::lock_guard lock(mutex_);
  ++(frame.edited ? statistics_.frames_edited : statistics_.frames_passed);
  if (late) ++statistics_.frames_late;
}

void Reporter::count_dropped(int frames) {
  std::lock_guard lock(mutex_);
  statistics_.frames_dropped += static_cast<uint64_t>(frames);
}

void Reporter::set_model(const ModelInfo& info, const RenderSettings& resolved) {
  std::lock_guard lock(mutex_);
  model_ = info;
  settings_ = resolved;
}

std::string Reporter::in_force(const ModelInfo& info, const RenderSettings& resolved) {
  const std::string edge = std::to_string(resolved.resolution);
  return info.name + (info.version.empty() ? "" : " " + info.version) + " on " + info.device +
         " in " + info.precision + ": resolution " + edge + ", " +
         std::to_string(resolved.inference_steps) + " steps, feature cache " +
         std::to_string(resolved.feature_cache) + ", vae " + info.vae + ", attention " +
         attention_name(resolved.attention);
}

void Reporter::post_progress(const Job& job, const RenderProgress& progress) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kInterval = std::chrono::milliseconds(500);
  const auto now = Clock::now();
  if (window_ != job.index) {
    window_ = job.index;
    window_begin_ = progress_posted_ = now;
  }
  if (now - progress_posted_ < kInterval) return;
  progress_posted_ = now;
  const std::chrono::duration<double> seconds = now - window_begin_;
  post(gst_structure_new("latentsync-progress", "index", G_TYPE_UINT64, job.index, "frames",
                         G_TYPE_INT, job.group.frames, "stage", G_TYPE_STRING, progress.stage,
                         "step", G_TYPE_INT, static_cast<gint>(progress.step), "steps", G_TYPE_INT,
                         static_cast<gint>(progress.steps), "part", G_TYPE_DOUBLE, progress.part,
                         "seconds", G_TYPE_DOUBLE, seconds.count(), nullptr));
}

GstStructure* Reporter::statistics() const {
  std::lock_guard lock(mutex_);
  const Statistics& s = statistics_;
  GstStructure* structure = gst_structure_new(
      "latentsync-stats", "windows", G_TYPE_UINT64, s.windows, "frames-in", G_TYPE_UINT64,
      s.frames_in, "frames-out", G_TYPE_UINT64, s.frames_edited + s.frames_passed, "frames-edited",
      G_TYPE_UINT64, s.frames_edited, "frames-passed", G_TYPE_UINT64, s.frames_passed,
      "frames-late", G_TYPE_UINT64, s.frames_late, "frames-dropped", G_TYPE_UINT64,
      s.frames_dropped, "seconds", G_TYPE_DOUBLE, s.render_seconds, "model", G_TYPE_STRING,
      model_.name.c_str(), "device", G_TYPE_STRING, model_.device.c_str(), "precision",
      G_TYPE_STRING, model_.precision.c_str(), "version", G_TYPE_STRING, model_.version.c_str(),
      "vae", G_TYPE_STRING, model_.vae.c_str(), "resolution", G_TYPE_INT64, settings_.resolution,
      "inference-steps", G_TYPE_INT64, settings_.inference_steps, "feature-cache", G_TYPE_INT64,
      settings_.feature_cache, "attention", G_TYPE_STRING, attention_name(settings_.attention),
      "memory-planned", G_TYPE_UINT64, mebibytes(s.memory_planned), "memory-peak", G_TYPE_UINT64,
      mebibytes(s.memory_peak), "memory-rung", G_TYPE_STRING, s.memory_rung.c_str(), "cache-hits",
      G_TYPE_UINT64, s.cache_hits, nullptr);
  set_seconds(structure, s.seconds);
  return structure;
}

}  // namespace latentsync
