#include "examples/transcode/recorder.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace latentsync::transcode {
namespace {

/// Of a plot: more than a screen shows side by side.
constexpr size_t kMostBins = 1200;
/// Bars, whose stages are to be told apart.
constexpr size_t kMostBars = 160;
constexpr GstClockTime kFirstWidth = GST_MSECOND;
/// Pictures that are evenly spaced: half of them, or a few more, remain where their distance
/// doubles.
constexpr size_t kMostPictures = 15;
/// Pixels of a picture of a face.
constexpr int kFaceEdge = 320;
/// Results and pictures of frames that are never output are dropped when more than these are kept.
/// The element holds fewer frames; pictures are large.
constexpr size_t kMostPending = 1024;
constexpr size_t kMostArrived = 160;

GstClockTime end_of(GstBuffer* frame, const GstVideoInfo& info) {
  const GstClockTime time = GST_BUFFER_PTS(frame);
  if (GST_BUFFER_DURATION_IS_VALID(frame)) {
    return time + GST_BUFFER_DURATION(frame);
  }
  const auto rate = guint64(std::max(GST_VIDEO_INFO_FPS_N(&info), 0));
  return rate == 0
             ? time
             : time + gst_util_uint64_scale(GST_SECOND, guint64(GST_VIDEO_INFO_FPS_D(&info)), rate);
}

FrameFate fate_of(const GstStructure* frame) {
  const gchar* outcome = gst_structure_get_string(frame, "outcome");
  const std::string_view name = outcome == nullptr ? "" : outcome;
  return name == "edited"        ? FrameFate::kEdited
         : name == "implausible" ? FrameFate::kImplausible
                                 : FrameFate::kNoFace;
}

std::string text_of(const GstStructure* structure, const char* name) {
  const gchar* text = gst_structure_get_string(structure, name);
  return text == nullptr ? "" : text;
}

/// -1: there is no such field.
gint64 whole_of(const GstStructure* structure, const char* name) {
  gint64 number = -1;
  gst_structure_get_int64(structure, name, &number);
  return number;
}

double number_of(const GstStructure* structure, const std::string& name) {
  double number = 0;
  gst_structure_get_double(structure, name.c_str(), &number);
  return number;
}

template <typename Pending>
void forget_oldest(Pending& pending, size_t most = kMostPending) {
  while (pending.size() > most) {
    pending.erase(pending.begin());
  }
}

}  // namespace

Recorder::Recorder(const Part& part)
    : part_(part),
      runs_(kMostBins, kFirstWidth),
      mouth_(kMostBins, kFirstWidth),
      loudness_(kMostBins, kFirstWidth),
      costs_(kMostBars, kFirstWidth),
      meter_([this](GstClockTime begin, GstClockTime end, double level) {
        if (end > part_.begin && begin < part_.end) {
          const GstClockTime from = since_begin(begin);
          loudness_.add(from, Level::of(from, since_begin(end), level));
        }
      }) {
  recording_.begin = part.begin;
}

GstClockTime Recorder::since_begin(GstClockTime time) const {
  return time - std::min(time, part_.begin);
}

void Recorder::frame_in(GstBuffer* frame, const GstVideoInfo& info) {
  const GstClockTime time = GST_BUFFER_PTS(frame);
  if (!part_.keeps(time)) {
    return;
  }
  auto picture = into_.shrink(frame, info);
  const std::lock_guard lock(mutex_);
  if (picture) {
    arrived_.insert_or_assign(time, std::move(*picture));
    forget_oldest(arrived_, kMostArrived);
  }
}

void Recorder::frame_out(GstBuffer* frame, const GstVideoInfo& info) {
  const GstClockTime time = GST_BUFFER_PTS(frame);
  if (!part_.keeps(time)) {
    return;
  }
  Leaving leaving;
  bool wanted = false;
  {
    const std::lock_guard lock(mutex_);
    leaving = leave(time);
    count(leaving, time, end_of(frame, info));
    wanted = is_wanted(leaving);
  }
  auto after = wanted ? out_.shrink(frame, info) : std::nullopt;
  if (after) {
    const std::lock_guard lock(mutex_);
    keep({leaving.number, since_begin(time), leaving.told, std::move(*leaving.before),
          std::move(*after)});
  }
}

Recorder::Leaving Recorder::leave(GstClockTime time) {
  Leaving leaving{.number = recording_.frames};
  if (const auto told = told_.find(time); told != told_.end()) {
    leaving.told = told->second;
  }
  if (const auto before = arrived_.find(time); before != arrived_.end()) {
    leaving.before = std::move(before->second);
  }
  leaving.late = late_.contains(time);
  told_.erase(told_.begin(), told_.upper_bound(time));
  arrived_.erase(arrived_.begin(), arrived_.upper_bound(time));
  late_.erase(late_.begin(), late_.upper_bound(time));
  return leaving;
}

void Recorder::count(const Leaving& leaving, GstClockTime time, GstClockTime end) {
  const auto fate = size_t(leaving.told.fate);
  FrameRun run{.begin = since_begin(time), .end = since_begin(end), .late = leaving.late ? 1U : 0U};
  run.frames[fate] = 1;
  runs_.add(run.begin, run);
  ++recording_.frames;
  ++recording_.fates[fate];
  recording_.late += run.late;
  recording_.length = std::max(recording_.length, run.end);
  if (leaving.told.mouth) {
    mouth_.add(run.begin, Level::of(run.begin, run.end, *leaving.told.mouth));
  }
}

bool Recorder::is_wanted(const Leaving& leaving) const {
  const bool surer = least_certain_ && leaving.told.confidence >= least_certain_->told.confidence;
  return leaving.before &&
         (leaving.number % stride_ == 0 || (leaving.told.fate == FrameFate::kEdited && !surer));
}

void Recorder::keep(const Kept& kept) {
  if (kept.told.fate == FrameFate::kEdited &&
      (!least_certain_ || kept.told.confidence < least_certain_->told.confidence)) {
    least_certain_ = kept;
  }
  if (kept.number % stride_ != 0) {
    return;
  }
  kept_.push_back(kept);
  while (kept_.size() > kMostPictures) {
    stride_ *= 2;
    std::erase_if(kept_, [this](const Kept& one) { return one.number % stride_ != 0; });
  }
}

void Recorder::speech(GstBuffer* samples, const GstAudioInfo& info) {
  const std::lock_guard lock(mutex_);
  meter_.add(samples, info, GST_BUFFER_PTS(samples));
}

void Recorder::message(GstMessage* message) {
  const GstStructure* structure = gst_message_get_structure(message);
  const std::lock_guard lock(mutex_);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_QOS) {
    guint64 time = GST_CLOCK_TIME_NONE;
    gst_message_parse_qos(message, nullptr, nullptr, &time, nullptr, nullptr);
    late_.insert(time);
    forget_oldest(late_);
  } else if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT) {
    return;
  } else if (gst_structure_has_name(structure, "latentsync-window")) {
    read_window(structure);
  } else if (gst_structure_has_name(structure, "latentsync-plan")) {
    read_plan(structure);
  } else if (gst_structure_has_name(structure, "latentsync-seed")) {
    recording_.drawn_seed = whole_of(structure, "seed");
  }
}

void Recorder::read_plan(const GstStructure* plan) {
  recording_.plan = {text_of(plan, "device"), text_of(plan, "rung"), whole_of(plan, "total"),
                     whole_of(plan, "budget"), whole_of(plan, "peak")};
}

void Recorder::read_window(const GstStructure* window) {
  const GValue* results = gst_structure_get_value(window, "results");
  const guint frames = results == nullptr ? 0 : gst_value_array_get_size(results);
  std::vector<GstClockTime> times;
  for (guint index = 0; index < frames; ++index) {
    const GstStructure* frame = gst_value_get_structure(gst_value_array_get_value(results, index));
    gint64 time = 0;
    gst_structure_get_int64(frame, "stream-time", &time);
    times.push_back(GstClockTime(std::max<gint64>(time, 0)));
    Told told{.fate = fate_of(frame), .confidence = number_of(frame, "confidence")};
    if (gst_structure_has_field(frame, "width")) {
      told.face = {number_of(frame, "left"), number_of(frame, "top"), number_of(frame, "width"),
                   number_of(frame, "height")};
    }
    if (gst_structure_has_field(frame, "mouth-opening")) {
      told.mouth = number_of(frame, "mouth-opening");
    }
    told_.insert_or_assign(times.back(), told);
  }
  forget_oldest(told_);
  const bool within = std::any_of(times.begin(), times.end(),
                                  [this](GstClockTime time) { return part_.keeps(time); });
  if (!within) {
    return;
  }
  const GstClockTime first = times.front();
  const GstClockTime last = times.back();
  const GstClockTime frame_time =
      times.size() > 1 ? (last - std::min(first, last)) / (times.size() - 1) : 0;
  WindowRun run{.begin = since_begin(first),
                .end = since_begin(std::min(last + frame_time, part_.end)),
                .windows = 1,
                .seconds = number_of(window, "seconds"),
                .memory_peak = std::max<gint64>(whole_of(window, "memory-peak"), 0),
                .memory_planned = std::max<gint64>(recording_.plan.peak, 0)};
  gboolean cached = FALSE;
  gst_structure_get_boolean(window, "cached", &cached);
  run.cached = cached ? 1 : 0;
  for (size_t stage = 0; stage < kStageNames.size(); ++stage) {
    run.stages[stage] = number_of(window, std::string("seconds-") + kStageNames[stage]);
  }
  costs_.add(run.begin, run);
  ++recording_.windows;
  recording_.cached_windows += run.cached;
  recording_.memory_peak = std::max(recording_.memory_peak, run.memory_peak);
}

void Recorder::warning(const std::string& sentence) {
  constexpr size_t kMostWarnings = 100;
  const std::lock_guard lock(mutex_);
  if (recording_.warnings.size() < kMostWarnings) {
    recording_.warnings.push_back(sentence);
  }
}

PicturePair Recorder::pair_of(const Kept& kept) {
  return {.time = kept.time,
          .fate = kept.told.fate,
          .confidence = kept.told.confidence,
          .before = jpeg_around(kept.before, kept.told.face, kFaceEdge),
          .after = jpeg_around(kept.after, kept.told.face, kFaceEdge)};
}

Recording Recorder::recording() {
  const std::lock_guard lock(mutex_);
  meter_.finish();
  Recording recording = recording_;
  recording.runs = runs_.all();
  recording.mouth = mouth_.all();
  recording.loudness = loudness_.all();
  recording.costs = costs_.all();
  for (const Kept& kept : kept_) {
    recording.faces.push_back(pair_of(kept));
  }
  if (least_certain_) {
    recording.faces.push_back(pair_of(*least_certain_));
    recording.faces.back().least_certain = true;
  }
  if (!kept_.empty()) {
    const Kept& middle = kept_[kept_.size() / 2];
    recording.whole.push_back({.time = middle.time,
                               .fate = middle.told.fate,
                               .confidence = middle.told.confidence,
                               .before = jpeg_of(middle.before),
                               .after = jpeg_of(middle.after)});
  }
  return recording;
}

}  // namespace latentsync::transcode
