#include "gst/debug.h"
#include "gst/latentsync_private.h"

#include <algorithm>
#include <cstdio>

/// What the element tells the application.
namespace latentsync {
namespace {

void post(GstLatentsync* self, GstStructure* structure) {
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), structure));
}

void post_progress(GstLatentsync* self, GstProgressType type, const std::string& text,
                   int percent) {
  GstMessage* message =
      gst_message_new_progress(GST_OBJECT(self), type, "model-load", text.c_str());
  gst_structure_set(gst_message_writable_structure(message), "percent", G_TYPE_INT, percent,
                    nullptr);
  gst_element_post_message(GST_ELEMENT(self), message);
}

struct Domain {
  GQuark domain;
  int code;
};

Domain error_domain(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND};
    case ErrorCode::kUnreadable:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ};
    case ErrorCode::kDamagedFile:
    case ErrorCode::kForeignModel:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ};
    case ErrorCode::kUnsupported:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_NOT_IMPLEMENTED};
    case ErrorCode::kInvalidArgument:
      return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS};
    case ErrorCode::kOutOfMemory:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT};
    case ErrorCode::kDevice:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED};
    default:
      return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED};
  }
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

bool lacks_face(FrameOutcome outcome) {
  return outcome == FrameOutcome::kNoFace || outcome == FrameOutcome::kImplausible;
}

/// What no-face says about the window's first frame without a usable face.
void report_faceless(GstLatentsync* self, const Job& job, const WindowResult& result) {
  const auto faceless = std::find_if(result.frames.begin(), result.frames.end(),
                                     [](const auto& f) { return lacks_face(f.outcome); });
  if (faceless == result.frames.end()) return;
  const bool none = faceless->outcome == FrameOutcome::kNoFace;
  const auto number = static_cast<int>(faceless - result.frames.begin());
  const std::string where =
      std::string(none ? "No face was found"
                       : "The face is too small, too oddly shaped or too uncertain") +
      " at " + clock_time(const_cast<Job&>(job).group.frame(number).stream_ns);
  char detail[96];
  std::snprintf(detail, sizeof detail, "window %llu, frame %d, confidence %.3f, %.0f x %.0f pixels",
                static_cast<unsigned long long>(job.index), number, faceless->confidence,
                faceless->face.width, faceless->face.height);
  if (self->element->snapshot().no_face == NoFace::kError) {
    post_failure(
        self,
        {ErrorCode::kUnsupported,
         where + ". Set no-face=pass-through to let such frames through as they are, or cut them.",
         detail});
  } else {
    warn_once(self, none ? "no-face" : "implausible-face",
              where + ": such frames leave as they came.", detail);
  }
}

}  // namespace

void post_failure(GstLatentsync* self, const Failure& failure) {
  if (self->element->state.failed.exchange(true)) return;
  const Domain domain = error_domain(failure.code);
  gst_element_message_full(GST_ELEMENT(self), GST_MESSAGE_ERROR, domain.domain, domain.code,
                           g_strdup(failure.message.c_str()), g_strdup(failure.detail.c_str()),
                           __FILE__, __func__, __LINE__);
}

void warn_once(GstLatentsync* self, const char* cause, const std::string& message,
               const std::string& detail) {
  if (!self->element->state.warned.insert(cause).second) return;
  gst_element_message_full(GST_ELEMENT(self), GST_MESSAGE_WARNING, GST_STREAM_ERROR,
                           GST_STREAM_ERROR_FAILED, g_strdup(message.c_str()),
                           g_strdup(detail.c_str()), __FILE__, __func__, __LINE__);
}

void post_window(GstLatentsync* self, const Job& job, const WindowResult& result, double seconds) {
  Element& element = *self->element;
  int edited = 0, faces = 0;
  for (const FrameResult& frame : result.frames) {
    edited += frame.outcome == FrameOutcome::kEdited;
    faces += frame.faces;
  }
  const int passed = job.group.frames - edited;
  {
    std::lock_guard lock(element.statistics_mutex);
    Statistics& statistics = element.statistics;
    ++statistics.windows;
    statistics.frames_edited += edited;
    statistics.frames_passed += passed;
    statistics.render_seconds += seconds;
    add_seconds(statistics.seconds, result.seconds);
  }
  const Frame& first = const_cast<Job&>(job).group.frame(0);
  GstStructure* structure = gst_structure_new(
      "latentsync-window", "index", G_TYPE_UINT64, job.index, "pts", G_TYPE_UINT64,
      GST_BUFFER_PTS(first.buffer.get()), "running-time", G_TYPE_INT64, first.running_ns,
      "stream-time", G_TYPE_INT64, first.stream_ns, "frames", G_TYPE_INT, job.group.frames,
      "edited", G_TYPE_INT, edited, "passed", G_TYPE_INT, passed, "faces", G_TYPE_INT, faces,
      "discontinuity", G_TYPE_BOOLEAN, job.group.discontinuity, "seconds", G_TYPE_DOUBLE, seconds,
      nullptr);
  set_seconds(structure, result.seconds);
  post(self, structure);
  report_faceless(self, job, result);
}

void post_late(GstLatentsync* self, const Frame& frame) {
  GstBuffer* buffer = frame.buffer.get();
  GstMessage* message = gst_message_new_qos(
      GST_OBJECT(self), TRUE, static_cast<guint64>(std::max<int64_t>(frame.running_ns, 0)),
      static_cast<guint64>(std::max<int64_t>(frame.stream_ns, 0)), GST_BUFFER_PTS(buffer),
      GST_BUFFER_DURATION(buffer));
  {
    std::lock_guard lock(self->element->statistics_mutex);
    const Statistics& statistics = self->element->statistics;
    gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, statistics.frames_out,
                              statistics.frames_late);
  }
  gst_element_post_message(GST_ELEMENT(self), message);
}

GstStructure* statistics_structure(GstLatentsync* self) {
  std::lock_guard lock(self->element->statistics_mutex);
  const Statistics& s = self->element->statistics;
  const ModelInfo& model = self->element->model;
  GstStructure* structure = gst_structure_new(
      "latentsync-stats", "windows", G_TYPE_UINT64, s.windows, "frames-in", G_TYPE_UINT64,
      s.frames_in, "frames-out", G_TYPE_UINT64, s.frames_out, "frames-edited", G_TYPE_UINT64,
      s.frames_edited, "frames-passed", G_TYPE_UINT64, s.frames_passed, "frames-late",
      G_TYPE_UINT64, s.frames_late, "seconds", G_TYPE_DOUBLE, s.render_seconds, "model",
      G_TYPE_STRING, model.name.c_str(), "device", G_TYPE_STRING, model.device.c_str(), "precision",
      G_TYPE_STRING, model.precision.c_str(), nullptr);
  set_seconds(structure, s.seconds);
  return structure;
}

void Element::load_begins() {
  load_percent = 0;
  post_progress(self, GST_PROGRESS_TYPE_START, "Loading " + snapshot().model_path, 0);
}

void Element::model_loading(double part, const char* what) {
  // A model has a thousand tensors; nobody wants as many messages.
  const int percent = std::clamp(static_cast<int>(100 * part), 0, 99);
  if (percent / 5 == load_percent / 5) return;
  load_percent = percent;
  post_progress(self, GST_PROGRESS_TYPE_CONTINUE, what ? what : "", percent);
}

void Element::model_loaded(const ModelInfo& info) {
  {
    std::lock_guard lock(statistics_mutex);
    model = info;
  }
  post_progress(self, GST_PROGRESS_TYPE_COMPLETE, info.name + " on " + info.device, 100);
}

void Element::model_failed(const Failure& failure) {
  const bool cancelled = failure.code == ErrorCode::kCancelled;
  post_progress(self, cancelled ? GST_PROGRESS_TYPE_CANCELED : GST_PROGRESS_TYPE_ERROR,
                failure.message, load_percent);
  if (!cancelled) post_failure(self, failure);
  gst_latentsync_wake(self);
}

void Element::worker_changed() { gst_latentsync_wake(self); }

}  // namespace latentsync
