#include "examples/transcode/streams.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace latentsync::transcode {
namespace {

// What the element takes on its video pad.
constexpr char kVideoCaps[] =
    "video/x-raw,format={NV12,I420,P010_10LE,Y42B,Y444,YUY2,RGB,BGR,RGBA,BGRA,RGBx,BGRx}";
constexpr char kAudioCaps[] = "audio/x-raw,layout=interleaved";

const std::string& speech_file(const Clip& clip) {
  return clip.audio.empty() ? clip.input : clip.audio;
}

GstClockTime end_of_video(MediaReader& video) {
  const GstClockTime end = video.find_end();
  if (end == 0) {
    throw Problem(video.file() + ": no frame of its video can be decoded");
  }
  return end;
}

GstClockTime end_of_all(GstClockTime video_end, MediaReader& sound, VideoEnd mode) {
  return mode == VideoEnd::kStop ? video_end : std::max(video_end, sound.find_end());
}

/// Of a file that ends before its own header says so.
std::string cut_off(MediaReader& video, GstClockTime video_end) {
  constexpr GstClockTime kTolerance = GST_SECOND / 2;
  const GstClockTime claimed = video.claimed_duration();
  GstClockTime end = video_end;
  if (claimed > end + kTolerance) {
    try {
      end = std::max(end, MediaReader(video.file(), StreamKind::kAudio, kAudioCaps).find_end());
    } catch (const Problem&) {
      // It has no audio: the video's end is the file's.
    }
  }
  if (claimed <= end + kTolerance) {
    return "";
  }
  char text[128];
  std::snprintf(text, sizeof text, ": cut off: it says that it lasts %.2f s, and ends after %.2f s",
                double(claimed) / GST_SECOND, double(end) / GST_SECOND);
  return video.file() + text;
}

}  // namespace

Streams::Streams(const Clip& clip, const Options& options, int window_frames)
    : video_(clip.input, StreamKind::kVideo, kVideoCaps),
      speech_(speech_file(clip), StreamKind::kAudio, kAudioCaps),
      sound_(speech_file(clip), StreamKind::kAudio, kAudioCaps),
      video_end_(end_of_video(video_)),
      total_(end_of_all(video_end_, sound_, options.video_end)),
      part_(choose_part({.total = total_,
                         .frame_rate = video_.frame_rate(),
                         .frame_duration = video_.frame_duration(),
                         .window_frames = window_frames},
                        options.start, options.duration, options.shard)),
      feed_(video_, options.video_end, video_end_, total_),
      speech_feed_(speech_),
      sound_feed_(sound_, sound_limits(clip.output)),
      warning_(cut_off(video_, video_end_)) {
  feed_.skip_to(part_.feed_begin);
  sound_feed_.choose(part_.begin, std::min(part_.end, total_));
}

guint64 Streams::expected_frames() const {
  const double rate = video_.frame_rate();
  const GstClockTime end = std::min(part_.end, total_);
  return rate <= 0 ? 0 : guint64(std::llround(double(end - part_.begin) / GST_SECOND * rate));
}

guint64 Streams::first_frame_number() const {
  return guint64(std::llround(double(part_.begin) / GST_SECOND * video_.frame_rate()));
}

Unit Streams::next_frame() {
  for (;;) {
    Unit unit = feed_.next();
    if (!unit || part_.feeds(unit.time)) {
      return unit;
    }
    if (unit.time > part_.feed_begin) {
      return {};
    }
  }
}

void Streams::set_warn(const SoundFeed::Warn& warn) {
  speech_feed_.set_warn(warn);
  sound_feed_.set_warn(warn);
}

void Streams::stop() {
  video_.stop();
  speech_.stop();
  sound_.stop();
}

}  // namespace latentsync::transcode
