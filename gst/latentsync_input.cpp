#include "gst/debug.h"
#include "gst/image_bridge.h"
#include "gst/latentsync_private.h"
#include "gst/timeline.h"

#include <algorithm>
#include <optional>
#include <utility>

/// From the pads into the frame window and the audio history.
namespace latentsync {
namespace {

/// More than a window can hear of what came before it.
constexpr int64_t kContext = 32 * kSampleRate;

/// Frames that may wait while a complete window waits for the audio after it.
int frames_ahead(const State& state) {
  const GstClockTime window = window_duration(state);
  const uint64_t lookahead = gst_util_uint64_scale(state.lookahead_ns, state.window_frames, window);
  return 2 * state.window_frames + static_cast<int>(lookahead) + 1;
}

bool wants_video(GstLatentsync* self) {
  Element& element = *self->element;
  const bool idle = element.worker->idle();
  std::lock_guard lock(element.state.mutex);
  const State& state = element.state;
  if (!state.frames.complete()) return true;
  const bool waits_for_audio = idle && state.context == AudioContext::kSliding;
  if (!state.live && !waits_for_audio) return false;
  // A live graph gives what is due after its latency: that is twice the window and the lookahead.
  return state.frames.frames() < frames_ahead(state) + (state.live ? state.window_frames : 0);
}

bool wants_audio(GstLatentsync* self) {
  std::lock_guard lock(self->element->state.mutex);
  const State& state = self->element->state;
  if (state.context == AudioContext::kWhole || !state.audio.started()) return true;
  const int64_t from = state.video_end_ns ? sample_index(*state.video_end_ns) : state.audio.begin();
  return state.audio.end() < from + state.audio_ahead;
}

/// Keeping a window's frames would starve an upstream pool that has a handful.
bool pool_is_small(State& state, GstBuffer* buffer) {
  if (!buffer->pool) return false;
  if (buffer->pool == state.seen_pool) return state.seen_pool_is_small;
  GstStructure* config = gst_buffer_pool_get_config(buffer->pool);
  guint most = 0;
  const bool known = gst_buffer_pool_config_get_params(config, nullptr, nullptr, nullptr, &most);
  gst_structure_free(config);
  state.seen_pool = buffer->pool;
  state.seen_pool_is_small =
      known && most > 0 && most < static_cast<guint>(frames_ahead(state) + state.window_frames);
  GST_DEBUG("pool %p has at most %u buffers", buffer->pool, most);
  return state.seen_pool_is_small;
}

bool is_gap(GstBuffer* buffer) {
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) && gst_buffer_get_size(buffer) == 0;
}

bool is_discontinuity(GstBuffer* buffer) {
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT) ||
         GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_RESYNC);
}

/// The pad's position, by which the base class knows how much waits on it.
void set_position(GstAggregatorPad* pad, GstBuffer* buffer) {
  if (!GST_BUFFER_PTS_IS_VALID(buffer)) return;
  GST_OBJECT_LOCK(pad);
  pad->segment.position = GST_BUFFER_PTS(buffer);
  if (GST_BUFFER_DURATION_IS_VALID(buffer)) pad->segment.position += GST_BUFFER_DURATION(buffer);
  GST_OBJECT_UNLOCK(pad);
}

/// Takes a frame or gap in. Returned is what is wrong with it: to be posted when no lock is held.
std::optional<Failure> take_video(GstLatentsync* self, BufferPtr buffer) {
  State& state = self->element->state;
  set_position(video_pad(self), buffer.get());
  ++state.arrivals;
  if (is_gap(buffer.get())) {
    const GstClockTime time = GST_BUFFER_PTS(buffer.get());
    const GstClockTime duration = GST_BUFFER_DURATION(buffer.get());
    std::lock_guard lock(state.mutex);
    if (state.video_flush.goes_on) return std::nullopt;
    state.frames.push(EventPtr(gst_event_new_gap(time, duration)));
    // Audio that belongs to it may come.
    state.video_end_ns = timeline_time(state.video_segment, time) + static_cast<int64_t>(duration);
    return std::nullopt;
  }
  {
    std::lock_guard lock(self->element->statistics_mutex);
    ++self->element->statistics.frames_in;
  }
  if (!state.format) {
    return Failure{ErrorCode::kUnsupported,
                   "Video came without caps: link video_sink to an element that sends them."};
  }
  const bool discontinuity = is_discontinuity(buffer.get());
  if (pool_is_small(state, buffer.get())) {
    BufferPtr copy(gst_buffer_copy_deep(buffer.get()));
    if (!copy) return uncopied_frame(buffer.get());
    buffer = std::move(copy);
  }

  std::lock_guard lock(state.mutex);
  if (state.video_flush.goes_on) return std::nullopt;  // it had been looked at before
  Frame frame;
  frame.format = state.format;
  GstClockTime time = GST_BUFFER_PTS(buffer.get());
  const GstSegment& segment = state.video_segment;
  if (GST_CLOCK_TIME_IS_VALID(time)) {
    frame.timeline_ns = timeline_time(segment, time);
    frame.running_ns = running_time(segment, time);
    frame.stream_ns = stream_time(segment, time);
  } else {
    frame.timeline_ns = frame.running_ns = frame.stream_ns = state.video_end_ns.value_or(0);
  }
  int64_t duration = static_cast<int64_t>(GST_BUFFER_DURATION(buffer.get()));
  if (!GST_BUFFER_DURATION_IS_VALID(buffer.get())) {
    duration = static_cast<int64_t>(window_duration(state)) / state.window_frames;
  }
  state.video_end_ns = frame.timeline_ns + duration;
  frame.buffer = std::move(buffer);
  state.frames.push(std::move(frame), discontinuity);
  return std::nullopt;
}

/// The buffer's samples at full scale 1.
std::vector<float> samples_of(GstBuffer* buffer, bool is_float) {
  std::vector<float> result;
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return result;
  if (is_float) {
    result.resize(map.size / sizeof(float));
    std::copy_n(map.data, result.size() * sizeof(float), reinterpret_cast<uint8_t*>(result.data()));
  } else {
    result.resize(map.size / 2);
    for (size_t i = 0; i < result.size(); ++i) {
      result[i] = static_cast<float>(GST_READ_UINT16_LE(map.data + 2 * i) ^ 0x8000) - 32768.0f;
      result[i] /= 32768.0f;
    }
  }
  gst_buffer_unmap(buffer, &map);
  return result;
}

/// Cuts off what lies outside the segment; false where nothing is left.
bool clip_audio(const State& state, BufferPtr& buffer) {
  if (is_gap(buffer.get()) || !GST_BUFFER_PTS_IS_VALID(buffer.get())) return true;
  buffer.reset(gst_audio_buffer_clip(buffer.release(), &state.audio_segment, kSampleRate,
                                     state.audio_is_float ? 4 : 2));
  return buffer != nullptr;
}

/// Nothing is heard of what lies further back than a sliding context reaches.
void forget_old_audio(State& state) {
  // After a flush of its own the audio may belong to video that is still to come, further back.
  if (state.context == AudioContext::kWhole || state.audio_renewed) return;
  const Frame* oldest = state.frames.oldest();
  if (!oldest && !state.video_end_ns) return;
  state.audio.trim(sample_index(oldest ? oldest->timeline_ns : *state.video_end_ns) - kContext);
}

/// Puts the buffer's samples, or so much silence, to their place. A hole that cannot be a pause in
/// speech is refused where all of it would have to be kept.
std::optional<Failure> hear(State& state, GstBuffer* buffer, std::span<const float> samples,
                            int64_t silence) {
  std::lock_guard lock(state.mutex);
  const bool resync = std::exchange(state.audio_resync, false) || is_discontinuity(buffer);
  const GstClockTime time = GST_BUFFER_PTS(buffer);
  const bool timed = GST_CLOCK_TIME_IS_VALID(time);
  const int64_t index =
      timed ? sample_index(timeline_time(state.audio_segment, time)) : state.audio.end();
  const int64_t hole = index + silence - state.audio.end();
  if (state.context == AudioContext::kWhole && hole > AudioHistory::kLongestKeptHole) {
    const auto seconds = [](int64_t count) { return std::to_string(count / kSampleRate) + " s"; };
    return Failure{ErrorCode::kUnsupported,
                   "The audio's timestamps jump by " + seconds(hole) + " at " +
                       seconds(state.audio.end()) +
                       ", as those of a damaged file do. Write the audio into a WAV file, which "
                       "has none, and take that."};
  }
  forget_old_audio(state);
  if (silence > 0) {
    state.audio.append_silence(index, silence, resync && timed);
  } else {
    state.audio.append(index, samples, resync && timed);
  }
  return std::nullopt;
}

/// The whole audio has been given, and this is not the one for the video after a seek.
bool is_unheard(State& state) {
  std::lock_guard lock(state.mutex);
  return state.whole_audio_given && !state.audio_renewed;
}

/// Likewise, samples or silence.
std::optional<Failure> take_audio(GstLatentsync* self, BufferPtr buffer) {
  State& state = self->element->state;
  set_position(audio_pad(self), buffer.get());
  ++state.arrivals;
  if (is_unheard(state)) return std::nullopt;
  if (!clip_audio(state, buffer)) return std::nullopt;
  const bool gap = GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_GAP);
  std::vector<float> samples;
  int64_t silence = 0;
  if (is_gap(buffer.get())) {
    silence = sample_index(static_cast<int64_t>(GST_BUFFER_DURATION(buffer.get())));
  } else if (gap) {
    silence =
        static_cast<int64_t>(gst_buffer_get_size(buffer.get())) / (state.audio_is_float ? 4 : 2);
  } else {
    samples = samples_of(buffer.get(), state.audio_is_float);
  }
  return hear(state, buffer.get(), samples, silence);
}

/// Audio has come to its end once more, and the video goes on without a flush like its own.
bool is_renewed_in_vain(State& state) {
  std::lock_guard lock(state.mutex);
  return state.whole_audio_given && state.audio_renewed && !is_common_flush(state) &&
         !state.audio_flush.apart && state.windows > state.windows_at_renewal + 1;
}

}  // namespace

PadsState look_at_pads(GstLatentsync* self) {
  gboolean token = FALSE;
  PadsState pads;
  {
    const State& state = self->element->state;
    std::lock_guard lock(self->element->state.mutex);
    pads.video_flushing = state.video_flush.goes_on;
    pads.audio_flushing = state.audio_flush.goes_on;
    pads.video_flushes = state.video_flushes;
    pads.audio_flushes = state.audio_flushes;
  }
  {
    // Between the two steps of taking a token away nothing else may come to its place.
    std::lock_guard lock(self->element->taking_mutex);
    pads.video_there = BufferPtr(gst_latentsync_pad_peek(self->video, &token)) != nullptr;
    pads.audio_there = BufferPtr(gst_latentsync_pad_peek(self->audio, &token)) != nullptr;
  }
  pads.token = token;
  pads.video_ended =
      !pads.video_flushing && !pads.video_there && gst_aggregator_pad_is_eos(video_pad(self));
  pads.audio_ended =
      !pads.audio_flushing && !pads.audio_there && gst_aggregator_pad_is_eos(audio_pad(self));
  pads.video_wanted = wants_video(self);
  pads.audio_wanted = wants_audio(self);
  return pads;
}

void look_behind_events(GstLatentsync* self, const PadsState& pads) {
  const bool video_hides = !pads.video_there && gst_latentsync_pad_hides(self->video);
  const bool audio_hides = !pads.audio_there && gst_latentsync_pad_hides(self->audio);
  // Where both do, both will have a buffer to show.
  if (video_hides && !audio_hides) gst_latentsync_pad_pretend(self->audio);
  if (audio_hides && !video_hides) gst_latentsync_pad_pretend(self->video);
}

bool absorb(GstLatentsync* self) {
  bool any = false;
  for (bool again = true; again && !self->element->state.failed;) {
    const PadsState pads = look_at_pads(self);
    std::optional<Failure> failure;
    bool comes_too_late = false;
    {
      std::lock_guard lock(self->element->taking_mutex);
      // What was there a moment ago may have been flushed.
      BufferPtr frame(pads.video_wanted && pads.video_there ? gst_latentsync_pad_pop(self->video)
                                                            : nullptr);
      if (frame) failure = take_video(self, std::move(frame));
      BufferPtr samples(pads.audio_wanted && pads.audio_there ? gst_latentsync_pad_pop(self->audio)
                                                              : nullptr);
      if (samples) {
        comes_too_late = is_unheard(self->element->state);
        const auto audio_failure = take_audio(self, std::move(samples));
        if (!failure) failure = audio_failure;
      }
    }
    if (failure) post_failure(self, *failure);
    if (comes_too_late || (pads.audio_ended && is_renewed_in_vain(self->element->state))) {
      warn_once(self, "audio-after-whole",
                "Audio came after the whole audio was read, as in a loop of segments or after a "
                "flush of the audio alone: it is not heard. Seek with a flush of both, or set "
                "audio-context=sliding.");
    }
    again = pads.arrived();
    any = any || again;
  }
  return any;
}

}  // namespace latentsync
