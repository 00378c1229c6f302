#pragma once

#include "core/engine.h"
#include "gst/handles.h"
#include "gst/input/audio_history.h"
#include "gst/input/speech_reader.h"

#include <optional>
#include <string>
#include <vector>

namespace latentsync {

/// Audio may run this far ahead of the video, in samples: little memory, and whatever feeds both
/// pads from one thread is not held up.
constexpr int64_t kAudioAhead = 30 * 16000;
/// The same once the video has been waited for in vain.
constexpr int64_t kMostAudioAhead = 600 * 16000;
/// More than a window needs of what came before it.
constexpr int64_t kContextSamples = 32 * 16000;

/// A SEGMENT event with this field, of a source that knows the stream time of the video: the
/// timeline's time is its stream time, also after a flush, and what it brings replaces what is known
/// from there on. Its running time at `base` is that of its first frame, what lies before is
/// context.
constexpr const char* kOwnTimeline = "latentsync-own-timeline";

/// What has arrived at audio_sink. Guarded by the Monitor.
///
/// Samples have an index on a timeline of their own: segments follow each other without a break at
/// the rate of the audio itself. place() says where on it the sound of a frame is.
///
/// With whole audio, take_whole() hands all of it to a session, which keeps it. Audio that arrives
/// afterwards is known already where its segment begins within it, after a seek or in a loop of
/// segments: it is dropped, and place() finds it in what the session has. Other audio that comes
/// after a flush is collected anew.
class AudioInput {
 public:
  void start(bool whole);

  // From the streaming thread of audio_sink.
  void set_segment(const GstSegment& segment, bool own_timeline = false);
  const GstSegment& segment() const { return segment_; }
  /// A stream with this identifier begins.
  void begin(const char* stream_id) { stream_id_ = stream_id; }
  /// Whether samples are dropped, because they are known already, were not asked for, or are played
  /// backwards.
  bool drops() const { return known_ || segment_.rate < 0; }
  /// Some were dropped that nobody knows: a segment after the whole audio, without a flush.
  bool lost() const { return known_ && !repeats_; }
  /// Errors: kUnsupported for timestamps that no recording has.
  std::optional<Failure> push(const Sound& sound);
  std::optional<Failure> push_gap(GstClockTime time, GstClockTime duration);
  /// No more samples will arrive before the next segment, and, with OF_STREAM, no
  /// segment either.
  void end(bool of_stream);

  // From any thread that flushes audio_sink.
  void begin_flush(guint32 seqnum);
  void end_flush();
  bool flushing() const { return flushing_; }
  guint32 flush_seqnum() const { return flush_seqnum_; }

  /// Whether samples are taken, where the video has arrived up to END_NS (running time).
  bool has_room(std::optional<int64_t> end_ns) const;
  /// Forgets what no frame from OLDEST_NS on (running time) needs. LIVE: also what lies behind.
  void forget(std::optional<int64_t> oldest_ns, bool live);
  /// The video has flushed: what is kept is for the frames that come now.
  void video_flushed() { renewed_ = false; }
  /// Flushed, and the video has not flushed since.
  bool renewed() const { return renewed_; }

  // For the source task.
  /// The timeline's time of a frame with this running time.
  int64_t place(int64_t running_ns) const;
  /// Whether everything before index END is known.
  bool covers(int64_t end) const { return history_.covers(end); }
  bool ended() const { return history_.finished(); }
  bool arrived() const { return history_.started(); }
  /// With whole audio that is known: whether the segment that says where frames belong has not
  /// arrived yet, for frames of a video segment that begins at SEGMENT_NS (running time).
  bool awaits_segment(int64_t segment_ns) const;
  /// It has been waited for in vain.
  void stop_awaiting() { complete_ = true; }
  std::vector<float> slice(int64_t begin, int64_t end) const { return history_.slice(begin, end); }
  void trim(int64_t index);

  bool whole() const { return whole_; }
  /// The whole audio was taken, and holds.
  bool known() const { return known_; }
  /// All samples, once ended() is true.
  std::vector<float> take_whole();
  /// A seek with this number takes the video to POSITION_NS, and the audio to its start, so that
  /// it is whole.
  void sought_to_start(guint32 seqnum, int64_t position_ns) {
    start_seqnum_ = seqnum;
    video_position_ns_ = position_ns;
  }
  /// On as sliding.
  void give_up_whole() { whole_ = false; }

  /// The video has been waited for in vain: more room, once. False where that has been given.
  bool raise_limit();
  /// All but the last half minute is for frames that do not come.
  void skip() { floor_ = history_.end() - kAudioAhead; }

 private:
  /// Running time FROM_NS lies at AT_NS on the timeline; RATE of the segment from there on.
  struct Span {
    int64_t from_ns = 0;
    int64_t at_ns = 0;
    double rate = 1;
    int64_t ahead_ns = 0;  ///< the video's frames are so much further on
  };
  /// What take_whole() gave, in stream time.
  struct Known {
    std::string stream_id;
    int64_t begin_ns = 0;
    int64_t end_ns = 0;
    int64_t shift_ns = 0;     ///< stream time less the timeline's time
    bool up_to_stop = false;  ///< it ended where its segment does: the source may have more
  };
  bool repeats_known() const;
  const Span& span_of(int64_t running_ns) const;
  int64_t index_of(GstClockTime time) const;
  void forget_all();
  /// A hole up to INDEX that is no pause in speech, where all of it would have to be kept.
  std::optional<Failure> check_hole(int64_t index) const;

  AudioHistory history_;
  GstSegment segment_ = {};
  std::vector<Span> spans_;  ///< ascending; empty before the first segment
  std::string stream_id_;    ///< empty: unknown
  int64_t ahead_ = kAudioAhead;
  int64_t floor_ = INT64_MIN;  ///< skip(): as if the video had arrived up to this sample
  Known known_audio_;
  guint32 start_seqnum_ = GST_SEQNUM_INVALID;  ///< sought_to_start()
  int64_t video_position_ns_ = 0;
  guint32 flush_seqnum_ = GST_SEQNUM_INVALID;
  bool whole_ = false;
  bool known_ = false;
  bool repeats_ = false;   ///< this segment is within what is known
  bool complete_ = false;  ///< no segment follows this one
  bool resync_ = true;     ///< the next samples' time counts, not their number
  bool flushing_ = false;
  bool flushed_ = false;  ///< since the last segment
  bool renewed_ = false;  ///< flushed, and the frames it is for may still have to come
};

}  // namespace latentsync
