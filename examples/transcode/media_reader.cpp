#include "examples/transcode/media_reader.h"

#include "examples/transcode/input_file.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace latentsync::transcode {
namespace {

constexpr GstClockTime kDefaultFrameDuration = 40 * GST_MSECOND;
/// Recorders leave the last frame without a duration, or with a tick of their clock; decoders make
/// up to a millisecond of it.
constexpr GstClockTime kNoDuration = GST_MSECOND;
constexpr FrameRate kRateOfPictures = {25, 1, kDefaultFrameDuration};
/// Frames whose times are looked at before the declared rate is believed.
constexpr size_t kFramesLookedAt = 9;

FrameRate declared_rate(const GstVideoInfo& info) {
  const int numerator = GST_VIDEO_INFO_FPS_N(&info);
  const int denominator = GST_VIDEO_INFO_FPS_D(&info);
  if (numerator <= 0 || denominator <= 0) {
    return {.duration = kDefaultFrameDuration};
  }
  return {numerator, denominator,
          gst_util_uint64_scale_int_round(GST_SECOND, denominator, numerator)};
}

/// COLORIMETRY of a container in the range that the stream was decoded in.
std::string in_range_of(const GstVideoInfo& info, const std::string& colorimetry) {
  GstVideoColorimetry colours;
  if (!gst_video_colorimetry_from_string(&colours, colorimetry.c_str())) {
    return "";
  }
  colours.range = info.colorimetry.range;
  const TextPtr text(gst_video_colorimetry_to_string(&colours));
  return text ? text.get() : "";
}

}  // namespace

MediaReader::MediaReader(const std::string& file, StreamKind kind, const char* caps,
                         Warnings& warnings, const Choice& choice)
    : file_(file),
      place_(choice.place),
      uri_(uri_of(place_.empty() ? file : place_)),
      kind_(kind),
      caps_(caps),
      warnings_(warnings),
      rate_{.duration = kDefaultFrameDuration} {
  open();
  if (kind_ == StreamKind::kAudio) {
    choose_track(choice.track);
    learn_sound();
    return;
  }
  orientation_ = pipeline_->recorded_orientation();
  if (orientation_ != GST_VIDEO_ORIENTATION_IDENTITY) {
    open();
  }
  learn_video();
  if (choice.deinterlace && is_interlaced()) {
    deinterlace_ = std::exchange(first_field_, FirstField::kNone);
    open();
    learn_video();
  }
}

void MediaReader::open() {
  pipeline_.reset();
  pipeline_ = std::make_unique<ReadingPipeline>(ReadingPipeline::Wish{.file = file_,
                                                                      .uri = uri_,
                                                                      .kind = kind_,
                                                                      .caps = caps_,
                                                                      .orientation = orientation_,
                                                                      .stream = stream_,
                                                                      .deinterlace = deinterlace_});
  if (output_caps_ && kind_ == StreamKind::kAudio) {
    pipeline_->convert_to(output_caps_.get());
  }
  ascending_ = {};
  spent_ = false;
}

void MediaReader::choose_track(const std::string& wish) {
  const std::vector<AudioTrack> tracks = pipeline_->audio_tracks();
  if (tracks.empty() && (wish.empty() || wish == "1")) {
    return;  // no container
  }
  const size_t index = wish.empty() ? 0 : find_track(tracks, wish, file_);
  taken_track_ = latentsync::transcode::taken_track(tracks, index, file_);
  if (pipeline_->stream() != tracks[index].stream) {
    stream_ = tracks[index].stream;
    open();
  }
}

void MediaReader::learn_sound() {
  output_caps_ = pipeline_->caps();
  if (output_caps_) {
    pipeline_->convert_to(output_caps_.get());
  }
}

void MediaReader::learn_video() {
  std::vector<GstClockTime> times;
  CapsPtr first;
  spent_ = true;
  while (times.size() < kFramesLookedAt) {
    const SamplePtr sample = pipeline_->next(stopped_);
    if (!sample) {
      break;
    }
    times.push_back(time_of(sample.get()));
    GstBuffer* buffer = gst_sample_get_buffer(sample.get());
    if (!is_interlaced() && GST_BUFFER_FLAG_IS_SET(buffer, GST_VIDEO_BUFFER_FLAG_INTERLACED)) {
      first_field_ = GST_BUFFER_FLAG_IS_SET(buffer, GST_VIDEO_BUFFER_FLAG_TFF)
                         ? FirstField::kTop
                         : FirstField::kBottom;
    }
    if (!first) {
      first.reset(gst_caps_ref(gst_sample_get_caps(sample.get())));
    }
  }
  GstVideoInfo info;
  if (!first || !gst_video_info_from_caps(&info, first.get())) {
    return;
  }
  first_time_ = GST_CLOCK_TIME_IS_VALID(times.front()) ? times.front() : 0;
  picture_ = times.size() == 1 && pipeline_->is_picture();
  width_ = GST_VIDEO_INFO_WIDTH(&info);
  height_ = GST_VIDEO_INFO_HEIGHT(&info);
  pixel_format_ = GST_VIDEO_INFO_FORMAT(&info);
  decoded_format_ = pipeline_->decoded_format().value_or(pixel_format_);
  const FrameRate declared = declared_rate(info);
  rate_ = picture_ ? kRateOfPictures : believable_rate(declared, times);
  rate_believed_ = rate_ == declared;
  uniform_.emplace(first.get());
  output_caps_ = caps_of_output(first.get(), declared);
}

CapsPtr MediaReader::caps_of_output(const GstCaps* first, const FrameRate& declared) const {
  CapsPtr caps(gst_caps_copy(first));
  GstVideoInfo info;
  gst_video_info_from_caps(&info, first);
  if (rate_ != declared) {
    gst_caps_set_simple(caps.get(), "framerate", GST_TYPE_FRACTION, rate_.numerator,
                        rate_.denominator, nullptr);
  }
  // Encoders look for the order of the fields here and not at the frames.
  if (is_interlaced() && GST_VIDEO_INFO_IS_INTERLACED(&info) &&
      GST_VIDEO_INFO_FIELD_ORDER(&info) == GST_VIDEO_FIELD_ORDER_UNKNOWN) {
    gst_caps_set_simple(caps.get(), "field-order", G_TYPE_STRING,
                        first_field_ == FirstField::kTop ? "top-field-first" : "bottom-field-first",
                        nullptr);
  }
  const std::string colours = in_range_of(info, pipeline_->colour().colorimetry());
  if (!colours.empty()) {
    gst_caps_set_simple(caps.get(), "colorimetry", G_TYPE_STRING, colours.c_str(), nullptr);
  }
  return caps;
}

GstClockTime MediaReader::time_of(GstSample* sample) const {
  const GstClockTime time =
      gst_segment_to_stream_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                 GST_BUFFER_PTS(gst_sample_get_buffer(sample)));
  return GST_CLOCK_TIME_IS_VALID(time) ? time - std::min(time, origin_) : time;
}

GstClockTime MediaReader::first_time() {
  if (!first_time_) {
    const SamplePtr sample = pipeline_->next(stopped_);
    const GstClockTime time = sample ? time_of(sample.get()) : 0;
    first_time_ = GST_CLOCK_TIME_IS_VALID(time) ? time : 0;
    spent_ = true;
  }
  return *first_time_ - std::min(*first_time_, origin_);
}

Unit MediaReader::next() {
  if (spent_) {
    open();
  }
  const SamplePtr sample = pipeline_->next(stopped_);
  Unit unit;
  if (!sample) {
    return unit;
  }
  unit.buffer.reset(gst_buffer_ref(gst_sample_get_buffer(sample.get())));
  unit.caps.reset(gst_caps_ref(gst_sample_get_caps(sample.get())));
  unit.time = time_of(sample.get());
  unit.duration = GST_BUFFER_DURATION(unit.buffer.get());
  if (kind_ == StreamKind::kVideo) {
    finish_frame(unit);
  } else {
    finish_sound(unit);
  }
  return unit;
}

void MediaReader::finish_sound(Unit& unit) {
  if (!GST_CLOCK_TIME_IS_VALID(unit.time)) {
    throw Problem(file_ +
                      ": its sound has no timestamps; remux the file into MP4 or Matroska "
                      "first: ffmpeg -i FILE -c copy FILE.mkv",
                  kNoRetry);
  }
  if (!GST_CLOCK_TIME_IS_VALID(unit.duration)) {
    unit.duration = rate_.duration;
  }
  if (const auto change = pipeline_->take_sound_change()) {
    warn("sound", change->first - std::min(change->first, origin_), change->second, "");
  }
}

void MediaReader::finish_frame(Unit& unit) {
  const bool told = GST_CLOCK_TIME_IS_VALID(unit.duration) && rate_believed_ &&
                    (unit.duration > kNoDuration || rate_.duration <= kNoDuration);
  if (!told) {
    unit.duration = rate_.duration;
    unit.buffer.reset(gst_buffer_make_writable(unit.buffer.release()));
    GST_BUFFER_DURATION(unit.buffer.get()) = unit.duration;
  }
  unit.time = ascending_.next(unit.time, unit.duration);
  if (!uniform_) {
    return;
  }
  if (!warned_ && !looking_ahead_) {
    const bool shape = uniform_->changes_shape(unit.caps.get());
    warn("picture", unit.time, uniform_->difference(unit.caps.get()),
         shape ? ", with black bars where the aspect differs" : "");
  }
  unit.buffer = uniform_->convert(std::move(unit.buffer), unit.caps.get());
  unit.caps.reset(gst_caps_ref(output_caps_.get()));
}

void MediaReader::warn(const char* what, GstClockTime time, const std::string& change,
                       const char* how) {
  if (change.empty() || warned_ || looking_ahead_) {
    return;
  }
  warned_ = true;
  warnings_.add(file_ + ": the " + what + " changes at " + seconds_text(time) + ": " + change +
                "; all of it is converted to the format of the beginning" + how);
}

void MediaReader::seek(GstClockTime time) {
  // A decoder cuts the frame that the seek falls into and gives it another timestamp: the seek goes
  // to a frame that nobody wants.
  const GstClockTime margin = GST_SECOND + 2 * rate_.duration;
  const GstClockTime target = origin_ + (time > margin ? time - margin : 0);
  ascending_ = {};
  spent_ = !pipeline_->seek(target);
}

GstClockTime MediaReader::last_end() {
  GstClockTime end = 0;
  while (const Unit unit = next()) {
    end = std::max(end, unit.end());
  }
  return end;
}

GstClockTime MediaReader::claimed_duration() const {
  const GstClockTime duration = pipeline_->claimed_duration();
  return duration - std::min(duration, origin_);
}

GstClockTime MediaReader::end_of_packets() {
  ReadingPipeline packets(
      {.file = file_, .uri = uri_, .kind = kind_, .decode = false, .stream = stream_});
  GstClockTime end = 0;
  while (const SamplePtr sample = packets.next(stopped_)) {
    const GstClockTime time = time_of(sample.get());
    const GstClockTime duration = GST_BUFFER_DURATION(gst_sample_get_buffer(sample.get()));
    const bool believed = kind_ == StreamKind::kAudio && GST_CLOCK_TIME_IS_VALID(duration);
    if (GST_CLOCK_TIME_IS_VALID(time)) {
      end = std::max(end, time + (believed ? duration : rate_.duration));
    }
  }
  return end;
}

std::vector<GstClockTime> MediaReader::packet_times() const {
  ReadingPipeline packets(
      {.file = file_, .uri = uri_, .kind = kind_, .decode = false, .stream = stream_});
  std::vector<GstClockTime> times;
  while (const SamplePtr sample = packets.next(stopped_)) {
    if (const GstClockTime time = time_of(sample.get()); GST_CLOCK_TIME_IS_VALID(time)) {
      times.push_back(time);
    }
  }
  std::sort(times.begin(), times.end());
  return times;
}

GstClockTime MediaReader::find_end() {
  // A recorder's clock may jump, and what comes after a seek then has other times than in a run.
  GstClockTime end = has_own_clock() ? end_of_packets() : 0;
  looking_ahead_ = true;
  const GstClockTime duration = claimed_duration();
  for (GstClockTime back = 2 * GST_SECOND; end == 0 && duration > 2 * back; back *= 4) {
    seek(duration - back);
    end = last_end();
  }
  if (end == 0 && !stopped_) {
    open();
    end = last_end();
  }
  looking_ahead_ = false;
  spent_ = true;
  return end;
}

}  // namespace latentsync::transcode
