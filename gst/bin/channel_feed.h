#pragma once

#include "gst/bin/speech_decoder.h"
#include "gst/handles.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

/// Feeds audio_sink with what a channel of interaudiosink brings: a live source, whose samples
/// belong to the frames that are due when they arrive. Frames that arrive while the host does not
/// play, which no sample can belong to, get silence, so that its preroll waits for nothing.
namespace latentsync {

class ChannelFeed {
 public:
  struct Options {
    SpeechDecoder::Options source;
    GstElement* host = nullptr;  ///< its clock and base time are the frames'
    int64_t offset = 0;          ///< audio-offset
    int64_t lookahead = 0;       ///< audio after a frame that it needs
    int64_t window_frames = 1;
  };
  /// Called once, from the feed's thread.
  using Failed = std::function<void(const SpeechFailure&)>;
  using Quiet = std::function<void()>;

  ChannelFeed();
  ~ChannelFeed();
  ChannelFeed(const ChannelFeed&) = delete;
  ChannelFeed& operator=(const ChannelFeed&) = delete;

  /// What is linked to audio_sink.
  GstPad* pad() const { return pad_.get(); }

  /// FAILED: the channel cannot be read. QUIET: nothing has come for kQuiet.
  void start(const Options& options, Failed failed, Quiet quiet);
  /// The host has a clock and a base time. Not between begin_stop() and start().
  void play();
  void pause();
  /// Everyone who waits in here returns.
  void begin_stop();
  /// After the element's pads are inactive.
  void end_stop();

  /// A frame has arrived, up to this running time.
  void advance(int64_t running_ns, int64_t duration_ns);
  /// A frame has left the element, up to this running time.
  void leave(int64_t running_ns);

  // From any thread. A flush of the video is one of the speech.
  void flush_start(EventPtr event);
  void flush_stop(EventPtr event);
  void set_offset(int64_t offset);

 private:
  using Lock = std::unique_lock<std::mutex>;

  void run();
  bool act(Lock& lock);
  bool plays() const;
  std::optional<int64_t> silence_end() const;
  void push_silence(Lock& lock, int64_t to_ns);
  void push_sample(Lock& lock, SamplePtr sample);
  bool introduce(Lock& lock, GstCaps* caps);
  bool fail(Lock& lock);
  bool tell_quiet(Lock& lock);
  bool push(GstEvent* event, uint64_t epoch);
  void push(BufferPtr buffer, uint64_t epoch);
  void notify();

  const PadPtr pad_;
  Options options_;
  Failed failed_;
  Quiet quiet_;
  std::unique_ptr<SpeechDecoder> decoder_;
  std::thread thread_;
  CapsPtr caps_;               ///< of the thread: what was pushed last
  bool stream_begun_ = false;  ///< likewise

  /// Held while something is pushed, so that nothing of the time before a flush follows it. Before
  /// mutex_.
  std::mutex push_mutex_;

  std::mutex mutex_;  ///< guards what follows; nothing is pushed, read or posted with it held
  std::condition_variable changed_;
  bool running_ = false;
  bool flushing_ = false;
  bool playing_ = false;
  bool ended_ = false;  ///< nothing follows: it has failed
  bool told_quiet_ = false;
  bool told_failure_ = false;
  bool introduced_ = false;  ///< the segment has been pushed
  uint64_t epoch_ = 0;       ///< counts flushes
  uint64_t changes_ = 0;
  int64_t offset_ = 0;
  int64_t window_ns_ = 0;
  int64_t pushed_ns_ = 0;                   ///< running time up to which the speech is known
  std::optional<int64_t> arrived_ns_;       ///< running time up to which frames have arrived
  std::optional<int64_t> left_ns_;          ///< the same of those that have left
  std::optional<GstClockTime> old_base_;    ///< the host's, until it begins anew after a flush
  std::optional<GstClockTime> play_begin_;  ///< clock time from which on the channel is quiet
};

}  // namespace latentsync
