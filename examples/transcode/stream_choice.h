#pragma once

#include "examples/transcode/handles.h"

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace latentsync::transcode {

enum class StreamKind { kVideo, kAudio };

/// Gives the first stream of a kind, or the one that is named, wherever in the file it begins, to a
/// decoder. The others are thrown away until it has come, and not even read from then on. That
/// there is none is known when a header that names all streams has been read, or at the end of the
/// file.
class StreamChoice {
 public:
  /// PARSE: a parsebin in PIPELINE. DECODE gets the stream. STREAM: GStreamer's name of it, which
  /// is in the file; empty: the first of its kind.
  StreamChoice(GstElement* pipeline, GstElement* parse, GstElement* decode, StreamKind kind,
               std::string stream);
  StreamChoice(const StreamChoice&) = delete;
  StreamChoice& operator=(const StreamChoice&) = delete;

  /// ELEMENT has come into the pipeline: a demuxer, or of no concern.
  void watch_element(GstElement* element);

  bool found() const { return found_; }

 private:
  /// A pad of parsebin's whose data a probe drops.
  struct ThrownAway {
    PadPtr pad;
    gulong probe = 0;
  };

  bool is_wanted(GstPad* pad) const;
  void take(GstPad* pad);
  void throw_away(GstPad* pad);
  void post_missing();

  static void on_stream(GstElement* parse, GstPad* pad, gpointer self);
  static void on_all_pads(GstElement* demuxer, gpointer self);
  static GstPadProbeReturn on_thrown_away(GstPad* pad, GstPadProbeInfo* info, gpointer self);

  GstElement* pipeline_;
  GstElement* decode_;
  StreamKind kind_;
  const std::string stream_;
  std::atomic<bool> found_ = false;
  std::mutex mutex_;
  std::vector<ThrownAway> thrown_away_;  ///< under mutex_
};

}  // namespace latentsync::transcode
