#include "tests/gst/random_player.h"

#include "tests/gst/told.h"

#include <algorithm>
#include <iterator>
#include <thread>

namespace latentsync::test {
namespace {

constexpr GstClockTime kFrame = 40 * GST_MSECOND;

std::string the_history;

}  // namespace

const std::string& RandomPlayer::history() { return the_history; }

RandomPlayer::RandomPlayer(Mode mode, uint64_t seed)
    : random_(static_cast<std::minstd_rand::result_type>(seed * 2 + 1)), rig_(mode) {
  the_history.clear();
  note("seed " + std::to_string(seed));
  fake::reset();
  fake::behave("record=off,steps=2,load-delay=2ms,no-face=5s-6s");
  if (draw(2) == 0) fake::behave("step-delay=1ms,jitter=3ms");
  if (draw(4) == 0) fake::behave("write-delay=300us");
  if (draw(2) == 0) rig_.set("window-frames", std::to_string(1 + draw(24)));
  if (draw(3) == 0) rig_.set("audio-lookahead", std::to_string((120 + draw(900)) * GST_MSECOND));
  if (draw(4) == 0) rig_.set("audio-context", "whole");
  if (draw(3) == 0) rig_.set("vram-budget", draw(2) == 0 ? "2500" : "1500");
  if (draw(2) == 0) fake::behave("plan-delay=3ms");
  if (draw(3) == 0) fake::behave("lower-rung=" + std::to_string(draw(20)));
  rig_.keep_outputs(false);
  gst_pad_add_probe(rig_.sink(), GST_PAD_PROBE_TYPE_BUFFER, &RandomPlayer::record, this, nullptr);
}

RandomPlayer::~RandomPlayer() { rig_.stop(); }

GstPadProbeReturn RandomPlayer::record(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* self = static_cast<RandomPlayer*>(data);
  const std::lock_guard lock(self->mutex_);
  self->output_.push_back(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)));
  return GST_PAD_PROBE_OK;
}

void RandomPlayer::note(const std::string& operation) {
  constexpr size_t kMost = 6000;
  if (the_history.size() > kMost) the_history.erase(0, the_history.find('\n', kMost / 2) + 1);
  the_history += operation + "\n";
}

void RandomPlayer::play(int parts) {
  watch(std::chrono::seconds(30));
  rig_.change(GST_STATE_PLAYING);
  new_position();
  begin_stream(true);
  for (int part = 0; part < parts && !testing::Test::HasFailure(); ++part) {
    for (uint64_t count = draw(12); count > 0; --count) operate();
    watch(std::chrono::seconds(30));
    end_part();
    EXPECT_EQ(sentences_of(rig_, GST_MESSAGE_ERROR), std::vector<std::string>{});
    EXPECT_EQ(fake::violations(), std::vector<std::string>{});
  }
}

void RandomPlayer::operate() {
  pass_time(200 * GST_MSECOND);
  switch (draw(20)) {
    case 0:
      return skip_with_gaps();
    case 1:
      return change_caps();
    case 2:
      return change_segment();
    case 3:
      return change_property();
    case 4:
      return pause();
    case 5:
      return ask();
    case 6:
      return draw(3) == 0 ? end_audio() : ask();
    case 7:
      return flush_audio();
    case 8:
      return relink_audio();
    case 9:
      note("video alone");
      return feed_video(1 + draw(10));
    case 10:
      note("audio alone");
      return feed_audio_until(position_ + draw(3000) * GST_MSECOND);
    default:
      return feed_some();
  }
}

void RandomPlayer::pass_time(GstClockTime most) {
  clock_ += draw(most);
  rig_.set_time(clock_);
  std::this_thread::sleep_for(std::chrono::microseconds(draw(4000)));
}

void RandomPlayer::feed_some() {
  const uint64_t frames = 1 + draw(40);
  note("frames " + std::to_string(frames) + " at " + std::to_string(position_ / GST_MSECOND));
  const bool backwards = segment_.rate < 0;
  feed_video(frames);
  if (!backwards) feed_audio_until(position_ + draw(800) * GST_MSECOND);
}

void RandomPlayer::feed_video(uint64_t frames) {
  for (uint64_t count = 0; count < frames; ++count) {
    if (segment_.rate < 0) {
      if (position_ < kFrame) return;
      position_ -= kFrame;
    }
    const uint64_t jitter = picture_.rate == "0/1" ? draw(5000) * GST_USECOND : 0;
    Ref<GstBuffer> frame =
        make_frame(picture_, {position_ / kFrame, position_ + jitter, kFrame, draw(8) == 0});
    if (draw(60) == 0) GST_BUFFER_FLAG_SET(frame.get(), GST_BUFFER_FLAG_DISCONT);
    brought_.push_back(position_ + jitter);
    rig_.video.push(std::move(frame));
    if (segment_.rate > 0) position_ += kFrame;
  }
}

void RandomPlayer::feed_audio_until(GstClockTime time) {
  if (audio_ended_ || segment_.rate < 0) return;
  const auto end = static_cast<int64_t>(gst_util_uint64_scale(time, 16000, GST_SECOND));
  while (sample_ < end) {
    const int64_t count = 160 + static_cast<int64_t>(draw(1600));
    rig_.audio.push(make_audio(audio_format_, sample_, count, audio_time(sample_)));
    sample_ += count;
  }
}

void RandomPlayer::skip_with_gaps() {
  if (segment_.rate < 0) return;
  const GstClockTime length = (1 + draw(50)) * kFrame;
  note("gap of " + std::to_string(length / GST_MSECOND));
  const uint64_t which = draw(3);
  if (which != 0) {
    rig_.video.gap(position_, draw(4) == 0 ? 0 : length);
    position_ += length;
  }
  if (which != 1 && !audio_ended_) {
    const GstClockTime begin = audio_time(sample_);
    rig_.audio.gap(begin, length);
    sample_ = static_cast<int64_t>(gst_util_uint64_scale(begin + length, 16000, GST_SECOND));
  }
}

void RandomPlayer::change_caps() {
  note("caps");
  static const char* const kRates[] = {"25/1", "0/1", "1000/1", "50/1", "10/1", "30000/1001"};
  if (draw(3) != 0) {
    picture_.format = kFormats[draw(std::size(kFormats))];
    picture_.width = 16 + static_cast<int>(draw(3)) * 8;
    picture_.rate = kRates[draw(std::size(kRates))];
    rig_.video.caps(picture_.caps());
  } else if (!audio_ended_) {
    audio_format_ = draw(2) == 0 ? AudioFormat::kF32 : AudioFormat::kS16;
    rig_.audio.caps(audio_caps(audio_format_));
  }
}

void RandomPlayer::push_segment(bool video) { feeder(video).segment(segment_); }

void RandomPlayer::change_segment() {
  if (segment_.rate < 0 || audio_ended_) return;
  static const double kRates[] = {1.0, 1.0, 2.0, 0.5};
  const guint64 base = gst_segment_to_running_time(&segment_, GST_FORMAT_TIME, position_);
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  segment_.rate = kRates[draw(std::size(kRates))];
  segment_.base = base;
  segment_.start = segment_.time = segment_.position = position_;
  note("segment of rate " + std::to_string(segment_.rate));
  push_segment(true);
  push_segment(false);
}

void RandomPlayer::change_property() {
  static const std::pair<const char*, std::vector<const char*>> kValues[] = {
      {"lips-expression", {"1.0", "2.5", "1.5"}},
      {"inference-steps", {"0", "1", "5"}},
      {"attention-mode", {"flex", "standard"}},
      {"feature-cache", {"-1", "0", "3"}},
      {"face-select", {"largest", "center"}},
      {"face-x", {"0.2", "0.9"}},
      {"batch-size", {"0", "2"}},
      {"seed", {"3", "-1"}},
      {"window-frames", {"16", "5"}},
      {"vram-budget", {"0", "1500"}},
      {"audio-context", {"whole", "sliding"}},
      {"audio-lookahead", {"500000000", "120000000"}}};
  const auto& [name, values] = kValues[draw(std::size(kValues))];
  const char* value = values[draw(values.size())];
  note(std::string(name) + "=" + value);
  rig_.set(name, value);
}

void RandomPlayer::pause() {
  note("pause");
  rig_.change(GST_STATE_PAUSED);
  const GstClockTime begin = clock_;
  if (draw(2) == 0) feed_some();
  pass_time(3 * GST_SECOND);
  paused_ += clock_ - begin;
  rig_.change(GST_STATE_PLAYING);
}

void RandomPlayer::ask() {
  note("queries");
  rig_.update_latency();
  for (GstQuery* query :
       {gst_query_new_position(GST_FORMAT_TIME), gst_query_new_duration(GST_FORMAT_TIME),
        gst_query_new_caps(nullptr), gst_query_new_seeking(GST_FORMAT_TIME)}) {
    const Ref<GstQuery> owned(query);
    rig_.query(query);
  }
  stats_of(rig_);
  rig_.send_upstream(
      gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.2, 10 * GST_MSECOND, running_now()));
}

void RandomPlayer::end_audio() {
  note("end of the audio");
  if (!audio_ended_) rig_.audio.eos();
  audio_ended_ = true;
}

void RandomPlayer::flush_audio() {
  note("flush of the audio");
  rig_.audio.flush_start();
  std::this_thread::sleep_for(std::chrono::microseconds(draw(2000)));
  rig_.audio.flush_stop();
  push_segment(false);
  audio_ended_ = false;
  // It goes on where the video does, or where it was.
  const auto video = static_cast<int64_t>(gst_util_uint64_scale(position_, 16000, GST_SECOND));
  sample_ = draw(2) == 0 ? video : std::max(sample_, video);
}

void RandomPlayer::relink_audio() {
  note("relink of the audio");
  const Ref<GstPad> peer(gst_pad_get_peer(rig_.audio.pad()));
  rig_.audio.flush_start();
  gst_pad_unlink(rig_.audio.pad(), peer.get());
  pass_time(100 * GST_MSECOND);
  EXPECT_EQ(gst_pad_link(rig_.audio.pad(), peer.get()), GST_PAD_LINK_OK);
  rig_.audio.flush_stop();
  rig_.audio.begin(audio_caps(audio_format_), &segment_);
  audio_ended_ = false;
}

void RandomPlayer::new_position() {
  position_ = draw(500) * kFrame;
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  segment_.start = segment_.time = segment_.position = position_;
  // What a source brings now is of now.
  segment_.base = running_now();
  sample_ = static_cast<int64_t>(gst_util_uint64_scale(position_, 16000, GST_SECOND));
  audio_ended_ = false;
}

void RandomPlayer::begin_stream(bool with_stream_start) {
  const std::string caps[] = {audio_caps(audio_format_), picture_.caps()};
  const bool video_first = draw(2) == 0;
  for (const bool video : {video_first, !video_first}) {
    if (with_stream_start) {
      feeder(video).begin(caps[video ? 1 : 0], &segment_);
    } else {
      push_segment(video);
    }
  }
}

void RandomPlayer::expect_output(Expected expected) {
  const std::lock_guard lock(mutex_);
  const std::string counts = std::to_string(output_.size()) + " frames came out of " +
                             std::to_string(brought_.size()) + " that were brought";
  if (expected == Expected::kAll) {
    EXPECT_EQ(output_.size(), brought_.size()) << counts;
  }
  auto next = brought_.begin();
  for (size_t at = 0; at < output_.size() && !testing::Test::HasFailure(); ++at) {
    const auto found = std::find(next, brought_.end(), output_[at]);
    EXPECT_TRUE(found != brought_.end())
        << "frame " << at << " at " << output_[at] << " is not the next; " << counts;
    if (expected != Expected::kSome) {
      EXPECT_EQ(found - next, 0) << "frames are missing before frame " << at << "; " << counts;
    }
    next = found == brought_.end() ? found : found + 1;
  }
  output_.clear();
  brought_.clear();
}

void RandomPlayer::end_part() {
  switch (draw(9)) {
    case 0:
      return flush_both();
    case 1:
      return flush_video();
    case 2:
    case 3:
      return seek();
    case 4:
      return seek_refused();
    case 5:
      return restart(draw(2) == 0 ? GST_STATE_READY : GST_STATE_NULL);
    case 6:
      return relink_video();
    default:
      return end_and_expect_all();
  }
}

void RandomPlayer::end_and_expect_all() {
  note("end");
  // The audio ends, or it goes on for longer than any look-ahead.
  if (draw(2) == 0) feed_audio_until(position_ + 6 * GST_SECOND);
  const bool audio_first = draw(2) == 0;
  if (audio_first) end_audio();
  rig_.video.eos();
  if (!audio_first) end_audio();
  bool ended = false;
  for (int round = 0; round < 2000 && !ended; ++round) {
    // The clock of a live graph goes on.
    clock_ += 20 * GST_MSECOND;
    rig_.set_time(clock_);
    ended = rig_.wait_eos(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(ended) << "no end of stream";
  expect_output(Expected::kAll);
  // What has ended begins again with a flush.
  draw(2) == 0 ? flush_both() : seek();
}

void RandomPlayer::flush_both(Expected expected) {
  note("flush of both");
  const bool video_first = draw(2) == 0;
  const guint32 number = gst_util_seqnum_next();
  feeder(video_first).flush_start(number);
  // One after the other, or one in the other.
  const bool apart = draw(2) == 0;
  if (apart) feeder(video_first).flush_stop(number);
  feeder(!video_first).flush_start(number);
  if (!apart) feeder(video_first).flush_stop(number);
  feeder(!video_first).flush_stop(number);
  expect_output(expected);
  new_position();
  begin_stream(false);
}

void RandomPlayer::flush_video() {
  note("flush of the video");
  rig_.video.flush_start();
  std::this_thread::sleep_for(std::chrono::microseconds(draw(2000)));
  rig_.video.flush_stop();
  expect_output(Expected::kBeginning);
  push_segment(true);
}

void RandomPlayer::seek() {
  const bool backwards = draw(4) == 0;
  note(backwards ? "seek backwards" : "seek");
  new_position();
  if (backwards) {
    segment_.rate = -1.0;
    segment_.start = segment_.time = 0;
    segment_.stop = segment_.position = position_;
  }
  rig_.video.seekable = rig_.audio.seekable = true;
  rig_.video.on_seek = [&](GstEvent*) {
    expect_output(Expected::kBeginning);
    push_segment(true);
  };
  rig_.audio.on_seek = [&](GstEvent*) { push_segment(false); };
  const int flags = GST_SEEK_FLAG_FLUSH |
                    (draw(2) == 0 ? int{GST_SEEK_FLAG_ACCURATE} : int{GST_SEEK_FLAG_KEY_UNIT});
  EXPECT_TRUE(rig_.send_upstream(
      gst_event_new_seek(segment_.rate, GST_FORMAT_TIME, static_cast<GstSeekFlags>(flags),
                         GST_SEEK_TYPE_SET, static_cast<gint64>(segment_.start), GST_SEEK_TYPE_SET,
                         static_cast<gint64>(backwards ? segment_.stop : GST_CLOCK_TIME_NONE))));
  rig_.video.on_seek = rig_.audio.on_seek = nullptr;
}

void RandomPlayer::seek_refused() {
  note("seek that is refused");
  rig_.video.seekable = rig_.audio.seekable = true;
  rig_.video.refuses_seeks = rig_.audio.refuses_seeks = true;
  EXPECT_FALSE(rig_.send_upstream(gst_event_new_seek(1.0, GST_FORMAT_TIME,
                                                     static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH),
                                                     GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0)));
  rig_.video.refuses_seeks = rig_.audio.refuses_seeks = false;
  // A part of the window that was being sent may be lost; the rest follows.
  flush_both(Expected::kSome);
}

void RandomPlayer::restart(GstState state) {
  note(state == GST_STATE_NULL ? "NULL" : "READY");
  if (state == GST_STATE_NULL) {
    rig_.stop();
  } else {
    rig_.change(state);
    EXPECT_TRUE(rig_.video.wait_idle());
    EXPECT_TRUE(rig_.audio.wait_idle());
  }
  expect_output(Expected::kBeginning);
  rig_.change(GST_STATE_PLAYING);
  // A pipeline's running time begins again.
  paused_ = clock_;
  new_position();
  begin_stream(true);
}

void RandomPlayer::relink_video() {
  note("relink of the video");
  const Ref<GstPad> peer(gst_pad_get_peer(rig_.video.pad()));
  rig_.video.flush_start();
  gst_pad_unlink(rig_.video.pad(), peer.get());
  pass_time(100 * GST_MSECOND);
  EXPECT_EQ(gst_pad_link(rig_.video.pad(), peer.get()), GST_PAD_LINK_OK);
  rig_.video.flush_stop();
  expect_output(Expected::kBeginning);
  rig_.video.begin(picture_.caps(), &segment_);
}

}  // namespace latentsync::test
