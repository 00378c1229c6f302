#pragma once

#include "gst/bin/speech_decoder.h"
#include "gst/bin/speech_place.h"
#include "gst/handles.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

/// Feeds audio_sink with the speech of the video that arrives. Whatever took the video where it is,
/// a seek of the host or of an editor, a loop or the next title: the video's own segment says what
/// speech belongs to it, and a thread reads it from there.
namespace latentsync {

class SpeechFeed {
 public:
  struct Options {
    SpeechDecoder::Options source;
    int64_t offset = 0;     ///< audio-offset
    int64_t lookahead = 0;  ///< audio after a frame that it needs
    bool whole = false;     ///< all of the speech is read for each segment
  };
  /// Called once, from the feed's thread, when the speech cannot be read.
  using Failed = std::function<void(const SpeechFailure&)>;

  SpeechFeed();
  ~SpeechFeed();
  SpeechFeed(const SpeechFeed&) = delete;
  SpeechFeed& operator=(const SpeechFeed&) = delete;

  /// What is linked to audio_sink.
  GstPad* pad() const { return pad_.get(); }

  void start(const Options& options, Failed failed);
  /// Everyone who waits in here returns.
  void begin_stop();
  /// After the element's pads are inactive.
  void end_stop();

  // From the video's streaming thread.
  /// The frames that follow are in VIDEO, a segment in time; IN_POINT is media time less stream
  /// time. Without a flush before it, this waits until the speech of the frames before it has been
  /// read, so that it is not replaced.
  void set_segment(const GstSegment& video, int64_t in_point);
  /// Frames have arrived up to this running time.
  void advance(int64_t running_ns);

  // From any thread. A flush of the video is one of the speech.
  void flush_start(EventPtr event);
  void flush_stop(EventPtr event);

  /// From the next frame on, in any state.
  void set_offset(int64_t offset);

 private:
  struct Plan {
    SpeechPlace place;
    GstSegment video;
    int64_t in_point = 0;
    int64_t begin_ns = 0;  ///< running time from which on it holds
    uint64_t serial = 0;
  };
  using Lock = std::unique_lock<std::mutex>;

  void run();
  bool act(Lock& lock);
  bool may_begin() const;
  bool may_read() const;
  void begin(Lock& lock);
  bool read(Lock& lock);
  void push_plan(Lock& lock, GstCaps* caps);
  bool push_sample(Lock& lock, SamplePtr sample);
  bool push_lead_in(const Plan& plan, GstCaps* caps, uint64_t epoch);
  void end_plan(Lock& lock);
  bool push(GstEvent* event, uint64_t epoch);
  GstFlowReturn push(BufferPtr buffer, uint64_t epoch);
  void add_plan(const GstSegment& video, int64_t in_point, int64_t context, int64_t begin_ns);
  void report(Lock& lock);
  void notify();

  const PadPtr pad_;
  Options options_;
  Failed failed_;
  std::unique_ptr<SpeechDecoder> decoder_;  ///< of the thread, while it runs
  std::thread thread_;
  CapsPtr caps_;             ///< of the thread: what was pushed last
  bool needs_start_ = true;  ///< likewise: STREAM_START comes before the next segment

  /// Held while something is pushed, so that nothing of the time before a flush follows it. Before
  /// mutex_.
  std::mutex push_mutex_;

  std::mutex mutex_;  ///< guards what follows; nothing is pushed, read or posted with it held
  std::condition_variable changed_;
  bool running_ = false;
  bool flushing_ = false;
  bool reported_ = false;
  uint64_t epoch_ = 0;  ///< counts flushes
  uint64_t changes_ = 0;
  uint64_t progress_ = 0;  ///< counts what the thread has done
  std::deque<Plan> pending_;
  std::optional<Plan> plan_;
  bool introduced_ = false;          ///< plan_'s segment has been pushed
  bool done_ = false;                ///< nothing of plan_ follows
  int64_t read_to_ns_ = 0;           ///< time of a buffer up to which plan_ has been pushed
  uint64_t serial_ = 0;              ///< of the last plan
  uint64_t begun_ = 0;               ///< of the last plan that was begun
  int64_t offset_ = 0;               ///< audio-offset, as set last
  std::optional<int64_t> video_ns_;  ///< running time up to which frames have arrived
};

}  // namespace latentsync
