#pragma once

#include "examples/transcode/arguments.h"
#include "examples/transcode/media_reader.h"
#include "examples/transcode/shard_windows.h"
#include "examples/transcode/sound_feed.h"
#include "examples/transcode/speech_feed.h"
#include "examples/transcode/timeline.h"
#include "examples/transcode/video_feed.h"

#include <string>
#include <vector>

namespace latentsync::transcode {

/// Where a clip's files can be read; empty: at their own names.
struct Copies {
  std::string input;
  std::string audio;
  std::string sound;
};

/// What a clip is made of, each with its file open for itself: the frames, the speech that the
/// mouth follows (from its beginning, whatever part is made), and the sound of the output, which is
/// the speech's or a file's of its own.
class Streams {
 public:
  /// WINDOW_FRAMES: the element's. COPIES: of inputs that can be read only once. Throws Problem: a
  /// file that is not there, cannot be read or lacks the stream; an empty part.
  Streams(const Clip& clip, const Options& options, const Copies& copies, int window_frames);

  const Part& part() const { return part_; }
  GstClockTime total() const { return total_; }
  const FrameRate& rate() const { return video_.rate(); }
  /// When the frames are shown that a run over the part is given, and where one does not follow
  /// the one before it; decodes the video where packets do not tell. Before the first next_frame()
  /// only; there are no frames to be had after it. Throws Problem.
  std::vector<FedFrame> fed_frames();
  int width() const { return video_.width(); }
  int height() const { return video_.height(); }
  GstVideoFormat decoded_format() const { return video_.decoded_format(); }
  GstVideoFormat pixel_format() const { return video_.pixel_format(); }
  bool is_interlaced() const { return video_.is_interlaced(); }
  /// What the user should know about the files: one is cut off, a stream changes in the middle,
  /// the sound cannot be kept as it is.
  Warnings& warnings() { return warnings_; }
  /// Which of several audio tracks and channels is taken, for the user.
  std::vector<std::string> remarks() const;
  /// What the speech is to be made louder by once it is cleaned, in dB. Reads all of it once more.
  /// Throws Problem.
  double cleaning_gain() const;
  /// Of the output: 0 where the rate varies and nobody knows.
  guint64 expected_frames() const;
  /// The number of the part's first frame in the whole; 0 where the rate varies.
  guint64 first_frame_number() const;

  /// A frame that is to be rendered; an empty unit at the end.
  Unit next_frame();
  Unit next_speech() { return speech_feed_.next(); }
  /// Sound of the part, its times from the part's beginning on.
  Unit next_sound() { return sound_feed_.next(); }
  /// Of the part's sound.
  guint64 sound_samples() const { return sound_feed_.samples(); }
  /// How much sound next_sound() gave.
  GstClockTime sound_length() const { return sound_feed_.written(); }

  /// Ends all three; from any thread.
  void stop();

 private:
  Warnings warnings_;
  MediaReader video_;
  MediaReader speech_;
  MediaReader sound_;
  const Options options_;
  VideoEnd mode_;
  GstClockTime video_end_;
  GstClockTime first_frame_;
  GstClockTime total_;
  Part part_;
  VideoFeed feed_;
  SpeechFeed speech_feed_;
  SoundFeed sound_feed_;
};

}  // namespace latentsync::transcode
