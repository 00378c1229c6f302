#include "gst/input/audio_input.h"

#include "gst/input/timeline.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace latentsync {
namespace {

/// Segments whose frames may not have been output yet.
constexpr size_t kMostSpans = 16;
/// Audio that ends so close to its segment's end may have been cut there.
constexpr int64_t kStopTolerance = 40'000'000;

}  // namespace

void AudioInput::start(bool whole) {
  *this = AudioInput();
  whole_ = whole;
  history_ = AudioHistory(whole);
  gst_segment_init(&segment_, GST_FORMAT_TIME);
}

bool AudioInput::repeats_known() const {
  if (!known_ || stream_id_ != known_audio_.stream_id) return false;
  if (stream_time(segment_, segment_.start) < known_audio_.begin_ns) return false;
  if (!known_audio_.up_to_stop) return true;
  return GST_CLOCK_TIME_IS_VALID(segment_.stop) &&
         stream_time(segment_, segment_.stop) <= known_audio_.end_ns + kStopTolerance;
}

void AudioInput::set_segment(const GstSegment& segment, bool own_timeline) {
  segment_ = segment;
  resync_ = true;
  complete_ = false;
  const bool flushed = std::exchange(flushed_, false);
  if (segment.rate < 0) return;
  Span span{running_time(segment, segment.start), 0, segment.rate};
  repeats_ = repeats_known();
  if (known_ && !repeats_ && flushed) forget_all();
  if (repeats_) {
    // The context is known too; frames before `base` belong to the segment before.
    const GstClockTime from = segment.start + (own_timeline ? segment.offset : 0);
    span.from_ns = running_time(segment, from);
    span.at_ns = stream_time(segment, from) - known_audio_.shift_ns;
  } else {
    const int64_t first = own_timeline ? stream_time(segment, segment.start) : span.from_ns;
    span.at_ns = spans_.empty() ? first : place(span.from_ns);
    if (!known_) history_.resume();
    if (!known_ && own_timeline) history_.cut(sample_index(span.at_ns));
    const bool from_start = start_seqnum_ != GST_SEQNUM_INVALID && start_seqnum_ == flush_seqnum_;
    if (from_start) span.ahead_ns = video_position_ns_ - stream_time(segment, segment.start);
  }
  if (spans_.size() == kMostSpans) spans_.erase(spans_.begin());
  spans_.push_back(span);
}

std::optional<Failure> AudioInput::check_hole(int64_t index) const {
  const int64_t hole = index - history_.end();
  if (!whole_ || hole <= AudioHistory::kLongestKeptHole) return std::nullopt;
  const auto seconds = [](int64_t count) { return std::to_string(count / kSampleRate) + " s"; };
  return Failure{ErrorCode::kUnsupported,
                 "The audio's timestamps jump by " + seconds(hole) + " at " +
                     seconds(history_.end()) +
                     ", as those of a damaged file do. Write the audio into a WAV file, which has "
                     "none, and use that."};
}

std::optional<Failure> AudioInput::push(const Sound& sound) {
  const bool resync = std::exchange(resync_, false) || sound.discontinuity;
  const bool timed = GST_CLOCK_TIME_IS_VALID(sound.time);
  const int64_t index = timed ? index_of(sound.time) : history_.end();
  if (auto failure = check_hole(index + sound.silence)) return failure;
  if (sound.silence > 0) {
    history_.append_silence(index, sound.silence, resync && timed);
  } else {
    history_.append(index, sound.samples, resync && timed);
  }
  return std::nullopt;
}

std::optional<Failure> AudioInput::push_gap(GstClockTime time, GstClockTime duration) {
  if (!GST_CLOCK_TIME_IS_VALID(duration)) duration = 0;
  const int64_t end = index_of(time + duration);
  if (auto failure = check_hole(end)) return failure;
  history_.advance(end);
  return std::nullopt;
}

void AudioInput::end(bool of_stream) {
  if (!known_) history_.finish();
  complete_ = complete_ || of_stream;
}

bool AudioInput::awaits_segment(int64_t segment_ns) const {
  if (!known_ || complete_) return false;
  if (spans_.empty()) return true;
  if (!GST_CLOCK_TIME_IS_VALID(segment_.stop)) return false;
  return segment_ns >= running_time(segment_, segment_.stop) - kStopTolerance;
}

void AudioInput::begin_flush(guint32 seqnum) {
  flushing_ = flushed_ = renewed_ = true;
  complete_ = false;
  flush_seqnum_ = seqnum;
  spans_.clear();
  if (!known_) forget_all();
}

void AudioInput::end_flush() {
  flushing_ = false;
  resync_ = true;
}

void AudioInput::forget_all() {
  history_ = AudioHistory(whole_);
  known_ = false;
  floor_ = INT64_MIN;
}

bool AudioInput::has_room(std::optional<int64_t> end_ns) const {
  if (whole_ || drops() || !history_.started()) return true;
  const int64_t from = end_ns ? sample_index(place(*end_ns)) : history_.begin();
  return history_.end() < std::max(from, floor_) + ahead_;
}

void AudioInput::forget(std::optional<int64_t> oldest_ns, bool live) {
  if (whole_) return;
  // After a flush of its own the audio may belong to video that is still to come, further back.
  if (oldest_ns && !renewed_) {
    history_.trim(std::max(sample_index(place(*oldest_ns)), floor_) - kContextSamples);
  }
  if (live) history_.trim(history_.end() - kContextSamples);
}

const AudioInput::Span& AudioInput::span_of(int64_t running_ns) const {
  static const Span kIdentity;
  const Span* found = spans_.empty() ? &kIdentity : &spans_.front();
  for (const Span& span : spans_) {
    if (span.from_ns <= running_ns) found = &span;
  }
  return *found;
}

int64_t AudioInput::place(int64_t running_ns) const {
  const Span& span = span_of(running_ns);
  return span.at_ns + span.ahead_ns + scale_time(running_ns - span.from_ns, span.rate);
}

int64_t AudioInput::index_of(GstClockTime time) const {
  // In the audio's own time, which needs no rounding.
  const int64_t at = spans_.empty() ? 0 : spans_.back().at_ns;
  return sample_index(at + static_cast<int64_t>(time) - static_cast<int64_t>(segment_.start));
}

void AudioInput::trim(int64_t index) {
  // Audio that ends before it may be of video that is still to come.
  if (index < history_.end()) history_.trim(index);
}

std::vector<float> AudioInput::take_whole() {
  std::vector<float> all = history_.slice(0, std::max<int64_t>(history_.end(), 0));
  const Span span = spans_.empty() ? Span{} : spans_.back();
  known_audio_.stream_id = stream_id_;
  known_audio_.shift_ns = stream_time(segment_, segment_.start) - span.at_ns;
  known_audio_.begin_ns = sample_time(history_.begin()) + known_audio_.shift_ns;
  known_audio_.end_ns = sample_time(history_.end()) + known_audio_.shift_ns;
  known_audio_.up_to_stop =
      GST_CLOCK_TIME_IS_VALID(segment_.stop) &&
      known_audio_.end_ns + kStopTolerance >= stream_time(segment_, segment_.stop);
  history_.reset();
  history_.finish();
  known_ = repeats_ = true;
  return all;
}

bool AudioInput::raise_limit() { return std::exchange(ahead_, kMostAudioAhead) < kMostAudioAhead; }

}  // namespace latentsync
