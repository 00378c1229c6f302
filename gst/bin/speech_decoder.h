#pragma once

#include "gst/handles.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace latentsync {

struct SampleUnref {
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
};
using SamplePtr = std::unique_ptr<GstSample, SampleUnref>;

/// Why the speech cannot be read: an error of the elements that read it.
struct SpeechFailure {
  GQuark domain = 0;
  int code = 0;
  std::string message;
  std::string debug;
};

/// Reads one audio stream of a URI, decoded, or what a channel of interaudiosink brings;
/// interleaved. A pipeline of its own: its states, seeks and messages are not the host's.
///
/// For one thread, but for the callback, which comes from any.
class SpeechDecoder {
 public:
  struct Options {
    std::string uri;
    std::string channel;           ///< in place of a URI, where it is not empty
    int stream = -1;               ///< which audio stream, from 0; -1: the first one
    GstElement* filter = nullptr;  ///< audio-filter; null: none
  };
  /// CHANGED: something may be there to be taken. It must not call back.
  SpeechDecoder(const Options& options, std::function<void()> changed);
  ~SpeechDecoder();
  SpeechDecoder(const SpeechDecoder&) = delete;
  SpeechDecoder& operator=(const SpeechDecoder&) = delete;

  /// Begins to read a URI.
  void start();
  /// A channel, from any thread: with this clock, until pause().
  void play(GstClock* clock);
  void pause();
  /// When a sample of a channel arrived.
  int64_t clock_time(GstSample* sample) const;
  /// Whether the channel has brought anything.
  bool heard() const { return heard_; }
  /// What has been read; null where nothing is there yet, the end was reached, or it failed.
  SamplePtr take();
  /// Nothing follows what was taken.
  bool ended() const;
  std::optional<SpeechFailure> failure() const;
  /// From FILE_NS on, or from before it. Only after something was taken, or the end was reached.
  void seek(int64_t file_ns);

 private:
  static void pad_added(GstElement* source, GstPad* pad, gpointer data);
  static void unknown_type(GstElement* source, GstPad* pad, GstCaps* caps, gpointer data);
  static void no_more_pads(GstElement* source, gpointer data);
  static GstBusSyncReply message(GstBus* bus, GstMessage* message, gpointer data);
  bool build(const Options& options);
  bool add_uri(const std::string& uri);
  bool add_channel(const std::string& channel);
  void link(GstPad* pad);
  void fail(SpeechFailure failure);
  SpeechFailure told(SpeechFailure failure) const;

  const std::function<void()> changed_;
  const int stream_;
  ElementPtr pipeline_;
  ElementPtr filter_;           ///< the application's
  GstElement* sink_ = nullptr;  ///< of the pipeline, as the next two
  GstElement* source_ = nullptr;
  PadPtr entry_;          ///< what decoded audio goes to
  bool at_start_ = true;  ///< nothing was taken yet
  std::atomic<bool> heard_ = false;

  mutable std::mutex mutex_;  ///< guards what follows
  int streams_ = 0;
  bool linked_ = false;
  std::string undecodable_;  ///< type of audio that there is no decoder for
  std::optional<SpeechFailure> failure_;
};

}  // namespace latentsync
