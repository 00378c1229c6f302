#include "gst/debug.h"
#include "gst/element.h"
#include "gst/render/image_bridge.h"

#include <gst/audio/audio.h>
#include <optional>
#include <utility>

/// Buffers: from the streaming threads of the sink pads into the frame window and the audio
/// history. A thread whose side is full waits here.
namespace latentsync {
namespace {

/// Whether no frame needs the audio that arrives: the video has ended, and the audio has not
/// flushed for video that follows.
bool is_over(const Element& element) {
  const bool over = element.source.ended() || element.source.flow() != GST_FLOW_OK;
  return over && !element.input.audio.renewed();
}

/// What a buffer is refused with; GST_FLOW_OK where it is taken. With the lock held.
GstFlowReturn refusal(const Element& element, bool video) {
  const Input& input = element.input;
  const bool flushing = video ? input.video.flushing() : input.audio.flushing();
  if (flushing || element.source.stopping()) return GST_FLOW_FLUSHING;
  if (element.reporter.failed()) return GST_FLOW_ERROR;
  const GstFlowReturn flow = element.source.flow();
  if (video) return flow == GST_FLOW_OK && input.video.ended() ? GST_FLOW_EOS : flow;
  const AudioOutput& output = element.audio_output;
  if (output.flow() < GST_FLOW_EOS) return output.flow();
  if (output.wanted()) {
    if (output.ended()) return GST_FLOW_EOS;
    return flow == GST_FLOW_EOS ? GST_FLOW_OK : flow;
  }
  if (flow != GST_FLOW_OK) return flow;
  // After the end only audio of its own flush is for something: for video that follows.
  return is_over(element) ? GST_FLOW_EOS : GST_FLOW_OK;
}

bool has_room(const Element& element, bool video) {
  const Input& input = element.input;
  if (video) return input.video.frames() + element.source.held() < element.source.most_held();
  // Live audio is never refused: the oldest goes.
  if (element.source.live()) return true;
  if (is_over(element) || input.audio.drops()) return element.audio_output.has_room();
  return input.audio.has_room(input.video.end_ns());
}

/// Waits until there is room, or the buffer is refused.
GstFlowReturn wait_for_room(Element& element, Lock& lock, bool video) {
  element.monitor->wait_for(
      lock, [&] { return refusal(element, video) != GST_FLOW_OK || has_room(element, video); });
  return refusal(element, video);
}

bool is_empty_gap(GstBuffer* buffer) {
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) && gst_buffer_get_size(buffer) == 0;
}

/// What BUFFER adds within SEGMENT.
std::vector<Sound> read_within(SpeechReader& speech, GstBuffer* buffer, const GstSegment& segment) {
  if (is_empty_gap(buffer)) return {speech.drain()};
  BufferPtr clipped(gst_buffer_ref(buffer));
  if (GST_BUFFER_PTS_IS_VALID(buffer)) {
    const GstAudioInfo& format = speech.format();
    clipped.reset(gst_audio_buffer_clip(clipped.release(), &segment, GST_AUDIO_INFO_RATE(&format),
                                        GST_AUDIO_INFO_BPF(&format)));
  }
  return clipped ? speech.read(clipped.get()) : std::vector<Sound>();
}

/// For the windows. With the lock held.
std::optional<Failure> keep(AudioInput& audio, const std::vector<Sound>& sounds) {
  for (const Sound& sound : sounds) {
    // The converter may hold all of a buffer back.
    if (sound.samples.empty() && sound.silence == 0) continue;
    if (auto failure = audio.push(sound)) return failure;
  }
  return std::nullopt;
}

std::optional<Failure> keep_gap(AudioInput& audio, GstBuffer* gap) {
  if (!GST_BUFFER_PTS_IS_VALID(gap)) return std::nullopt;
  return audio.push_gap(GST_BUFFER_PTS(gap), GST_BUFFER_DURATION(gap));
}

}  // namespace

std::optional<Failure> end_run(Element& element) {
  const std::vector<Sound> rest = {element.speech.drain()};
  const std::lock_guard lock(element.monitor->mutex);
  const AudioInput& audio = element.input.audio;
  if (audio.flushing() || audio.drops() || is_over(element)) return std::nullopt;
  return keep(element.input.audio, rest);
}

GstFlowReturn chain_video(Element& element, GstPad* pad, GstBuffer* raw) {
  BufferPtr buffer(raw);
  GST_LOG_OBJECT(pad, "arrived: %" GST_PTR_FORMAT, raw);
  if (element.ask_latency) look_up_latency(element);
  look_at_memory(element, raw);
  int held;
  {
    const std::lock_guard lock(element.monitor->mutex);
    held = element.source.most_held();
  }
  if (element.pools.is_small(raw->pool, held)) {
    GST_LOG_OBJECT(pad, "copied: its pool has fewer than %d buffers", held);
    BufferPtr copy(gst_buffer_copy_deep(raw));
    if (!copy) {
      element.fail(uncopied_frame(raw));
      return GST_FLOW_ERROR;
    }
    buffer = std::move(copy);
  }
  bool latency_changed;
  {
    Lock lock(element.monitor->mutex);
    if (const auto flow = wait_for_room(element, lock, true); flow != GST_FLOW_OK) return flow;
    if (!element.input.video.has_format()) {
      lock.unlock();
      element.fail({ErrorCode::kUnsupported,
                    "Video arrived without caps: link video_sink to an element that sends them."});
      return GST_FLOW_NOT_NEGOTIATED;
    }
    element.input.video.push(std::move(buffer));
    ++element.input.arrivals;
    latency_changed = update_own_latency(element);
    element.monitor->notify();
  }
  element.reporter.count_in();
  if (latency_changed) post_latency(element);
  return GST_FLOW_OK;
}

GstFlowReturn chain_audio(Element& element, GstPad* pad, GstBuffer* raw) {
  BufferPtr buffer(raw);
  GST_LOG_OBJECT(pad, "arrived: %" GST_PTR_FORMAT, raw);
  if (element.ask_latency) look_up_latency(element);
  bool lost, needed;
  GstSegment segment;
  {
    Lock lock(element.monitor->mutex);
    if (const auto flow = refusal(element, false); flow != GST_FLOW_OK) return flow;
    ++element.input.arrivals;
    element.monitor->notify();
    segment = element.input.audio.segment();
    lost = element.input.audio.lost();
    needed = !element.input.audio.drops() && !is_over(element);
  }
  if (!element.speech.has_format()) {
    element.fail({ErrorCode::kUnsupported,
                  "Audio arrived without caps: link audio_sink to an element that sends them."});
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (lost) {
    element.reporter.warn_once(
        Topic::kStream, "audio-after-whole",
        "Audio arrived after the whole audio was read, as of another file in a playlist: it is "
        "ignored. Flush both pads with a seek, or set audio-context=sliding.");
  }
  std::vector<Sound> sounds;
  if (needed) {
    sounds = read_within(element.speech, raw, segment);
  } else {
    element.speech.reset();
  }
  std::optional<Failure> failure;
  {
    Lock lock(element.monitor->mutex);
    if (const auto flow = wait_for_room(element, lock, false); flow != GST_FLOW_OK) return flow;
    if (needed && !is_over(element)) {
      element.input.forget_old_audio(element.source.live());
      failure = keep(element.input.audio, sounds);
      if (!failure && is_empty_gap(raw)) failure = keep_gap(element.input.audio, raw);
    }
    if (!failure) element.audio_output.push(std::move(buffer));
    ++element.input.arrivals;
    element.monitor->notify();
  }
  if (!failure) return GST_FLOW_OK;
  element.fail(*failure);
  return GST_FLOW_ERROR;
}

}  // namespace latentsync
