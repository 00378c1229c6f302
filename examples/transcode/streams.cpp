#include "examples/transcode/streams.h"

#include "examples/transcode/clean_speech.h"
#include "examples/transcode/transport_stream.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace latentsync::transcode {
namespace {

// What the element takes on its video pad.
constexpr char kVideoCaps[] =
    "video/x-raw,format={NV12,I420,P010_10LE,Y42B,Y444,YUY2,RGB,BGR,RGBA,BGRA,RGBx,BGRx,I420_10LE,"
    "I422_10LE,Y444_10LE,UYVY,v210,A420,ARGB,ABGR,xRGB,xBGR,A420_10LE,A422_10LE,A444_10LE,GBR,GBRA,"
    "GBR_10LE,GBRA_10LE}";
constexpr char kAudioCaps[] = "audio/x-raw,layout=interleaved";

const std::string& speech_file(const Clip& clip) {
  return clip.audio.empty() ? clip.input : clip.audio;
}

const std::string& sound_file(const Clip& clip) {
  return clip.sound.empty() ? speech_file(clip) : clip.sound;
}

GstClockTime moved(GstClockTime time, GstClockTimeDiff offset) {
  return GstClockTime(std::max<GstClockTimeDiff>(GstClockTimeDiff(time) + offset, 0));
}

GstClockTime end_of_all(GstClockTime video_end, MediaReader& speech, MediaReader& sound,
                        VideoEnd mode, GstClockTimeDiff offset) {
  if (mode == VideoEnd::kStop) {
    return video_end;
  }
  GstClockTime end = sound.find_end();
  if (speech.file() != sound.file()) {
    end = std::max(end, speech.find_end());
  }
  return std::max(video_end, moved(end, offset));
}

/// A picture that was not to end otherwise is held.
VideoEnd mode_for(const MediaReader& video, std::optional<VideoEnd> wish) {
  const VideoEnd mode = wish.value_or(video.is_picture() ? VideoEnd::kHold : VideoEnd::kStop);
  if (video.is_picture() && mode != VideoEnd::kHold) {
    throw Problem(video.file() +
                      ": this is a picture; with --video-end hold, the default for pictures, it is "
                      "shown as long as the speech lasts",
                  kNoRetry);
  }
  return mode;
}

/// Of a file that ends before its own header says so.
std::string cut_off(MediaReader& video, GstClockTime video_end) {
  constexpr GstClockTime kTolerance = GST_SECOND / 2;
  const GstClockTime claimed = video.claimed_duration();
  GstClockTime end = video_end;
  if (video.measures_duration()) {
    return "";
  }
  if (claimed > end + kTolerance) {
    try {
      Warnings ignored;
      MediaReader sound(video.file(), StreamKind::kAudio, kAudioCaps, ignored,
                        {.place = video.place()});
      sound.count_from(video.origin());
      end = std::max(end, sound.find_end());
    } catch (const Problem&) {
      // It has no audio: the video's end is the file's.
    }
  }
  if (claimed <= end + kTolerance) {
    return "";
  }
  return video.file() + ": cut off: it says that it lasts " + seconds_text(claimed) +
         ", and ends after " + seconds_text(end);
}

/// Where the timeline of READER's file begins, by that file's clock: at its first stream's first
/// buffer, where the clock is a recorder's own.
GstClockTime origin_of(MediaReader& reader, StreamKind other) {
  if (!reader.has_own_clock()) {
    return 0;
  }
  GstClockTime origin = reader.first_time();
  try {
    Warnings ignored;
    MediaReader beside(reader.file(), other, other == StreamKind::kVideo ? kVideoCaps : kAudioCaps,
                       ignored, {.place = reader.place()});
    origin = std::min(origin, beside.first_time());
  } catch (const Problem&) {
    // It has no other stream.
  }
  return origin;
}

/// Has the three count from where their files begin, and finds the end of the video.
GstClockTime begin_and_end(MediaReader& video, MediaReader& speech, MediaReader& sound) {
  video.count_from(origin_of(video, StreamKind::kAudio));
  speech.count_from(speech.file() == video.file() ? video.origin()
                                                  : origin_of(speech, StreamKind::kVideo));
  const MediaReader& known = sound.file() == video.file() ? video : speech;
  sound.count_from(sound.file() == known.file() ? known.origin()
                                                : origin_of(sound, StreamKind::kVideo));
  const GstClockTime end = video.find_end();
  if (end == 0) {
    throw Problem(video.file() + ": no frame of its video can be decoded", kNoRetry);
  }
  return end;
}

/// Of a transport stream whose demuxer put sound and video nearer to each other than they are.
std::string lost_delay(const std::string& file, GstClockTimeDiff found) {
  constexpr GstClockTimeDiff kTolerance = GST_SECOND / 10;
  const std::optional<GstClockTimeDiff> delay = video_delay_of_transport_stream(file);
  if (!delay || std::abs(*delay - found) <= kTolerance) {
    return "";
  }
  char text[160];
  std::snprintf(
      text, sizeof text,
      ": its video begins %.2f s after its sound, and GStreamer makes %.2f s of it; remux it "
      "first: ffmpeg -i FILE -c copy FILE.mkv",
      double(*delay) / GST_SECOND, double(found) / GST_SECOND);
  return file + text;
}

}  // namespace

Streams::Streams(const Clip& clip, const Options& options, const Copies& copies, int window_frames)
    : video_(clip.input, StreamKind::kVideo, kVideoCaps, warnings_,
             {.deinterlace = options.deinterlace, .place = copies.input}),
      speech_(speech_file(clip), StreamKind::kAudio, kAudioCaps, warnings_,
              {.track = options.audio_track,
               .place = clip.audio.empty() ? copies.input : copies.audio}),
      sound_(sound_file(clip), StreamKind::kAudio, kAudioCaps, warnings_,
             {.track = clip.sound.empty() ? options.audio_track : "",
              .place = !clip.sound.empty()   ? copies.sound
                       : !clip.audio.empty() ? copies.audio
                                             : copies.input}),
      options_(options),
      mode_(mode_for(video_, options.video_end)),
      video_end_(begin_and_end(video_, speech_, sound_)),
      first_frame_(video_.first_time()),
      total_(end_of_all(video_end_, speech_, sound_, mode_, options.audio_offset)),
      part_(options.part ? *options.part
                         : choose_part({.total = total_,
                                        .frame_rate = video_.frame_rate(),
                                        .frame_duration = video_.frame_duration(),
                                        .window_frames = window_frames},
                                       options.start, options.duration, options.shard)),
      feed_(video_, mode_, video_end_, total_),
      speech_feed_(speech_, options.audio_offset, options.audio_channel),
      sound_feed_(sound_, sound_limits(clip.output)) {
  if (const std::string warning = cut_off(video_, video_end_); !warning.empty()) {
    warnings_.add(warning);
  }
  if (const std::string warning =
          clip.audio.empty()
              ? lost_delay(copies.input.empty() ? clip.input : copies.input,
                           GST_CLOCK_DIFF(
                               clip.sound.empty() ? sound_feed_.first_time() : speech_.first_time(),
                               first_frame_))
              : "";
      !warning.empty()) {
    warnings_.add(warning);
  }
  const auto warn = [this](const std::string& sentence) { warnings_.add(sentence); };
  speech_feed_.set_warn(warn);
  sound_feed_.set_warn(warn);
  feed_.skip_to(part_.feed_begin);
  sound_feed_.choose(part_.begin, std::min(part_.end, total_), options.audio_offset);
}

std::vector<std::string> Streams::remarks() const {
  std::vector<std::string> all;
  for (const std::string& remark :
       {speech_.taken_track(), sound_.taken_track(), speech_feed_.taken_channel()}) {
    if (!remark.empty() && std::find(all.begin(), all.end(), remark) == all.end()) {
      all.push_back(remark);
    }
  }
  return all;
}

double Streams::cleaning_gain() const {
  Warnings ignored;
  MediaReader reader(speech_.file(), StreamKind::kAudio, kAudioCaps, ignored,
                     {.track = options_.audio_track, .place = speech_.place()});
  SpeechFeed speech(reader, 0, options_.audio_channel);
  return measure_gain(speech);
}

guint64 Streams::expected_frames() const {
  const double rate = video_.frame_rate();
  const GstClockTime begin = std::max(part_.begin, first_frame_);
  const GstClockTime end = std::min(part_.end, total_);
  return rate <= 0 || end <= begin ? 0
                                   : guint64(std::llround(double(end - begin) / GST_SECOND * rate));
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

std::vector<FedFrame> Streams::fed_frames() {
  std::vector<FedFrame> frames;
  const bool packets_tell =
      video_.rate().numerator > 0 && total_ == video_end_ && !video_.has_own_clock();
  if (packets_tell) {
    for (const GstClockTime time : video_.packet_times()) {
      if (part_.feeds(time)) {
        frames.push_back({time, frames.empty()});
      }
    }
    return frames;
  }
  while (const Unit unit = next_frame()) {
    const bool discontinuity = GST_BUFFER_FLAG_IS_SET(unit.buffer.get(), GST_BUFFER_FLAG_DISCONT) ||
                               GST_BUFFER_FLAG_IS_SET(unit.buffer.get(), GST_BUFFER_FLAG_RESYNC);
    frames.push_back({unit.time, discontinuity});
  }
  return frames;
}

void Streams::stop() {
  video_.stop();
  speech_.stop();
  sound_.stop();
}

}  // namespace latentsync::transcode
