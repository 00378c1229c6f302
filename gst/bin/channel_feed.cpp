#include "gst/bin/channel_feed.h"

#include "gst/debug.h"
#include "gst/guard.h"
#include "gst/input/timeline.h"

#include <algorithm>
#include <gst/audio/audio.h>
#include <utility>

namespace latentsync {
namespace {

/// What the engine needs besides the look-ahead, at most.
constexpr int64_t kMargin = 200 * GST_MSECOND;
/// Of interaudiosrc: its period and what it keeps.
constexpr GstClockTime kLatency = 125 * GST_MSECOND;
constexpr GstClockTime kQuiet = 2 * GST_SECOND;
constexpr const char* kSilenceCaps =
    "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved";

gboolean upstream_event(GstPad*, GstObject*, GstEvent* event) {
  // Nobody can seek a channel.
  gst_event_unref(event);
  return TRUE;
}

gboolean upstream_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_SEEKING:
      // Whether a seek is possible is the video's to say.
      gst_query_set_seeking(query, GST_FORMAT_TIME, TRUE, 0, -1);
      return TRUE;
    case GST_QUERY_LATENCY:
      gst_query_set_latency(query, TRUE, kLatency, GST_CLOCK_TIME_NONE);
      return TRUE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

}  // namespace

ChannelFeed::ChannelFeed()
    : pad_(GST_PAD(gst_object_ref_sink(gst_pad_new("channel", GST_PAD_SRC)))) {
  gst_pad_set_event_function(pad_.get(), upstream_event);
  gst_pad_set_query_function(pad_.get(), upstream_query);
}

ChannelFeed::~ChannelFeed() {
  begin_stop();
  end_stop();
}

void ChannelFeed::start(const Options& options, Failed failed, Quiet quiet) {
  options_ = options;
  failed_ = std::move(failed);
  quiet_ = std::move(quiet);
  caps_.reset();
  stream_begun_ = false;
  {
    const std::lock_guard lock(mutex_);
    running_ = true;
    flushing_ = playing_ = ended_ = told_quiet_ = told_failure_ = introduced_ = false;
    offset_ = options.offset;
    window_ns_ = pushed_ns_ = 0;
    arrived_ns_.reset();
    left_ns_.reset();
    old_base_.reset();
    play_begin_.reset();
  }
  gst_pad_set_active(pad_.get(), TRUE);
  decoder_ = std::make_unique<SpeechDecoder>(options.source, [this] {
    const std::lock_guard lock(mutex_);
    notify();
  });
  thread_ = std::thread([this] { run(); });
}

void ChannelFeed::play() {
  const ClockPtr clock(gst_element_get_clock(options_.host));
  // Without a clock no frame is due.
  if (!clock) return;
  decoder_->play(clock.get());
  const std::lock_guard lock(mutex_);
  playing_ = true;
  play_begin_ = gst_clock_get_time(clock.get());
  notify();
}

void ChannelFeed::pause() {
  decoder_->pause();
  const std::lock_guard lock(mutex_);
  playing_ = false;
  notify();
}

void ChannelFeed::begin_stop() {
  const std::lock_guard lock(mutex_);
  running_ = false;
  notify();
}

void ChannelFeed::end_stop() {
  if (thread_.joinable()) thread_.join();
  decoder_.reset();
  gst_pad_set_active(pad_.get(), FALSE);
}

void ChannelFeed::notify() {
  ++changes_;
  changed_.notify_all();
}

void ChannelFeed::advance(int64_t running_ns, int64_t duration_ns) {
  const std::lock_guard lock(mutex_);
  if (!left_ns_) left_ns_ = running_ns - duration_ns;
  if (arrived_ns_ && *arrived_ns_ >= running_ns) return;
  arrived_ns_ = running_ns;
  window_ns_ = options_.window_frames * duration_ns;
  notify();
}

void ChannelFeed::leave(int64_t running_ns) {
  const std::lock_guard lock(mutex_);
  if (!left_ns_ || *left_ns_ >= running_ns) return;
  left_ns_ = running_ns;
  notify();
}

void ChannelFeed::flush_start(EventPtr event) {
  {
    const std::lock_guard lock(mutex_);
    flushing_ = true;
    ++epoch_;
    introduced_ = false;
    arrived_ns_.reset();
    left_ns_.reset();
    notify();
  }
  gst_pad_push_event(pad_.get(), event.release());
}

void ChannelFeed::flush_stop(EventPtr event) {
  gboolean resets_time = FALSE;
  gst_event_parse_flush_stop(event.get(), &resets_time);
  const std::lock_guard push_lock(push_mutex_);
  gst_pad_push_event(pad_.get(), event.release());
  const std::lock_guard lock(mutex_);
  flushing_ = ended_ = false;
  pushed_ns_ = 0;
  // The host plays on from another base time as soon as its sinks have a frame.
  if (resets_time) old_base_ = gst_element_get_base_time(options_.host);
  notify();
}

void ChannelFeed::set_offset(int64_t offset) {
  const std::lock_guard lock(mutex_);
  offset_ = offset;
}

void ChannelFeed::run() {
  try {
    Lock lock(mutex_);
    while (running_) {
      const uint64_t seen = changes_;
      if (act(lock)) continue;
      changed_.wait(lock, [&] { return changes_ != seen; });
    }
  } catch (...) {
    const Failure failure = current_failure();
    failed_({GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, failure.message, failure.detail});
  }
}

/// Does one thing; false where there is nothing to do.
bool ChannelFeed::act(Lock& lock) {
  if (flushing_ || ended_) return false;
  if (const auto to = silence_end()) {
    push_silence(lock, *to);
    return true;
  }
  lock.unlock();
  SamplePtr sample = decoder_->take();
  lock.lock();
  if (sample) {
    push_sample(lock, std::move(sample));
    return true;
  }
  return fail(lock);
}

/// Whether the running time of what arrives now is that of the frames.
bool ChannelFeed::plays() const {
  return playing_ && (!old_base_ || *old_base_ != gst_element_get_base_time(options_.host));
}

/// Silence is pushed up to there: for the frames of one window, which is what a sink waits for, and
/// one more for each that is taken.
std::optional<int64_t> ChannelFeed::silence_end() const {
  if (!arrived_ns_ || plays()) return std::nullopt;
  const int64_t frames =
      window_ns_ > 0 ? std::min(*arrived_ns_, *left_ns_ + window_ns_) : *arrived_ns_;
  const int64_t to = frames + options_.lookahead + kMargin;
  return to > pushed_ns_ ? std::optional(to) : std::nullopt;
}

/// Stream, caps and segment, where they are still to come.
bool ChannelFeed::introduce(Lock& lock, GstCaps* caps) {
  const uint64_t epoch = epoch_;
  const bool introduced = introduced_;
  lock.unlock();
  bool pushed = true;
  if (!std::exchange(stream_begun_, true)) {
    pushed = push(gst_event_new_stream_start("latentsync-channel"), epoch);
  }
  if (!caps_ || !gst_caps_is_equal(caps_.get(), caps)) {
    pushed = push(gst_event_new_caps(caps), epoch) && pushed;
    caps_.reset(pushed ? gst_caps_ref(caps) : nullptr);
  }
  if (!introduced) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    pushed = push(gst_event_new_segment(&segment), epoch) && pushed;
  }
  lock.lock();
  if (epoch != epoch_) return false;
  introduced_ = true;
  return pushed;
}

void ChannelFeed::push_silence(Lock& lock, int64_t to_ns) {
  const CapsPtr caps(caps_ ? gst_caps_ref(caps_.get()) : gst_caps_from_string(kSilenceCaps));
  const uint64_t epoch = epoch_;
  if (!introduce(lock, caps.get()) && epoch != epoch_) return;
  const int64_t from = std::exchange(pushed_ns_, to_ns);
  lock.unlock();
  push(gst_event_new_gap(static_cast<GstClockTime>(from), static_cast<GstClockTime>(to_ns - from)),
       epoch);
  lock.lock();
}

void ChannelFeed::push_sample(Lock& lock, SamplePtr sample) {
  GstCaps* const caps = gst_sample_get_caps(sample.get());
  GstBuffer* const read = gst_sample_get_buffer(sample.get());
  GstAudioInfo info;
  // What arrives before the host goes on belongs to no frame.
  if (!plays() || !read || !GST_BUFFER_PTS_IS_VALID(read)) return;
  if (!gst_audio_info_from_caps(&info, caps)) return;
  old_base_.reset();
  const int64_t arrived = decoder_->clock_time(sample.get());
  const auto base = static_cast<int64_t>(gst_element_get_base_time(options_.host));
  if (decoder_->heard()) {
    told_quiet_ = true;
  } else if (tell_quiet(lock)) {
    return;
  }
  const int64_t time = arrived - base + offset_;
  const auto size = static_cast<int64_t>(gst_util_uint64_scale(
      gst_buffer_get_size(read) / info.bpf, GST_SECOND, static_cast<guint64>(info.rate)));
  if (time < 0 || time + size <= pushed_ns_) return;
  const uint64_t epoch = epoch_;
  if (!introduce(lock, caps)) return;
  const int64_t from = pushed_ns_;
  pushed_ns_ = time + size;
  lock.unlock();
  BufferPtr buffer(gst_buffer_copy(read));
  GST_BUFFER_PTS(buffer.get()) = static_cast<GstClockTime>(time);
  if (from > time) {
    GstSegment wanted;
    gst_segment_init(&wanted, GST_FORMAT_TIME);
    wanted.start = static_cast<guint64>(from);
    buffer.reset(gst_audio_buffer_clip(buffer.release(), &wanted, info.rate, info.bpf));
  }
  if (buffer) push(std::move(buffer), epoch);
  lock.lock();
}

/// Once, after kQuiet of nothing.
bool ChannelFeed::tell_quiet(Lock& lock) {
  const ClockPtr clock(gst_element_get_clock(options_.host));
  if (told_quiet_ || !clock || !play_begin_) return false;
  if (gst_clock_get_time(clock.get()) < *play_begin_ + kQuiet) return false;
  told_quiet_ = true;
  lock.unlock();
  quiet_();
  lock.lock();
  return true;
}

/// Reports it, and everything is silence from here on.
bool ChannelFeed::fail(Lock& lock) {
  const bool told = told_failure_;
  lock.unlock();
  const auto failure = decoder_->failure();
  if (failure && !told) failed_(*failure);
  lock.lock();
  if (!failure) return false;
  told_failure_ = true;
  const CapsPtr caps(caps_ ? gst_caps_ref(caps_.get()) : gst_caps_from_string(kSilenceCaps));
  const uint64_t epoch = epoch_;
  introduce(lock, caps.get());
  if (epoch != epoch_) return true;
  ended_ = true;
  lock.unlock();
  push(gst_event_new_eos(), epoch);
  lock.lock();
  return true;
}

bool ChannelFeed::push(GstEvent* event, uint64_t epoch) {
  const std::lock_guard push_lock(push_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_ || !running_) {
      gst_event_unref(event);
      return false;
    }
  }
  return gst_pad_push_event(pad_.get(), event);
}

void ChannelFeed::push(BufferPtr buffer, uint64_t epoch) {
  const std::lock_guard push_lock(push_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_ || !running_) return;
  }
  gst_pad_push(pad_.get(), buffer.release());
}

}  // namespace latentsync
