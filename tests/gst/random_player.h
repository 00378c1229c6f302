#pragma once

#include "tests/gst/clip.h"
#include "tests/gst/rig.h"

#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace latentsync::test {

/// Plays with an element at random, and knows what has to come out.
///
/// What is brought between two operations that throw frames away is a part. Of a part that such an
/// operation ends the output is the beginning; of one that ends with EOS it is all.
class RandomPlayer {
 public:
  RandomPlayer(Mode mode, uint64_t seed);
  ~RandomPlayer();
  RandomPlayer(const RandomPlayer&) = delete;
  RandomPlayer& operator=(const RandomPlayer&) = delete;

  /// So many parts, or fewer where the test fails.
  void play(int parts);

  /// The last operations of the last player.
  static const std::string& history();

 private:
  uint64_t draw(uint64_t below) { return random_() % below; }
  void note(const std::string& operation);
  Feeder& feeder(bool video) { return video ? rig_.video : rig_.audio; }

  // Operations that lose nothing.
  void operate();
  void feed_some();
  void feed_video(uint64_t frames);
  void feed_audio_until(GstClockTime time);
  void skip_with_gaps();
  void change_caps();
  void change_segment();
  void change_property();
  void pause();
  void ask();
  void end_audio();
  void flush_audio();
  void relink_audio();
  void pass_time(GstClockTime most);

  // Operations that end a part.
  enum class Expected { kAll, kBeginning, kSome };
  void expect_output(Expected expected);
  void end_part();
  void begin_stream(bool with_stream_start);
  void end_and_expect_all();
  void flush_both(Expected expected = Expected::kBeginning);
  void flush_video();
  void seek();
  void seek_refused();
  void restart(GstState state);
  void relink_video();

  void new_position();
  GstClockTime running_now() const { return clock_ - paused_; }
  void push_segment(bool video);
  static GstPadProbeReturn record(GstPad* pad, GstPadProbeInfo* info, gpointer data);

  std::minstd_rand random_;
  Rig rig_;

  Picture picture_;
  AudioFormat audio_format_ = AudioFormat::kF32;
  GstSegment segment_;
  GstClockTime position_ = 0;  ///< of the next frame
  int64_t sample_ = 0;         ///< the next one
  bool audio_ended_ = false;
  GstClockTime clock_ = 0;
  GstClockTime paused_ = 0;

  std::vector<GstClockTime> brought_;  ///< times of this part's frames, in order
  std::mutex mutex_;
  std::vector<GstClockTime> output_;  ///< of this part
};

}  // namespace latentsync::test
