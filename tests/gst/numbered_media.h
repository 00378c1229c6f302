#pragma once

#include "tests/gst/support.h"
#include "tests/support/temporary_folder.h"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// Files whose frames and samples say where they belong, for tests of what a container makes of
/// them: a picture has its number in it, and a sample of the speech has its time for its value.
namespace latentsync::test {

/// The pictures of a numbered file: 96x64 at 25 frames/s.
inline constexpr int kNumberedWidth = 96;
inline constexpr int kNumberedHeight = 64;
inline constexpr GstClockTime kNumberedDuration = 40 * GST_MSECOND;

class NumberedMedia {
 public:
  NumberedMedia();

  /// Frames FIRST to FIRST + FRAMES - 1, every tenth one a key frame; without sound. Lossless.
  std::string video_uri(const std::string& name, int first, int frames) const;
  /// The frames of another one, every third of them shown twice as long, in Matroska.
  std::string irregular_uri(const std::string& name, const std::string& uri) const;
  /// The sample at t ms is kFirstSample + t. Mono at 16 kHz.
  std::string speech_uri(const std::string& name, int milliseconds) const;
  /// The samples of SPEECH, a WAV file, SHIFT_MS later, by an edit list. A name that ends in .mov.
  std::string shifted_speech_uri(const std::string& name, const std::string& speech,
                                 int shift_ms) const;
  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
};

/// Louder than silence from the first sample on.
inline constexpr int kFirstSample = 1000;

/// The number that is drawn into an I420 picture; nothing where none can be read.
std::optional<int> number_in(GstBuffer* buffer);

struct SeenFrame {
  int number = -1;  ///< -1: none could be read
  GstClockTime pts = 0;
  GstClockTime stream_time = 0;
  uint64_t hash = 0;  ///< of all bytes
  bool operator==(const SeenFrame&) const = default;
};
void PrintTo(const SeenFrame& frame, std::ostream* out);

/// Keeps what passes a pad: I420 frames of the size above.
class FrameRecorder {
 public:
  explicit FrameRecorder(GstPad* pad);
  ~FrameRecorder();
  FrameRecorder(const FrameRecorder&) = delete;
  FrameRecorder& operator=(const FrameRecorder&) = delete;

  /// Those since the last flush, or take().
  std::vector<SeenFrame> frames() const;
  std::vector<SeenFrame> take();
  bool wait_frames(size_t count, std::chrono::milliseconds limit = std::chrono::seconds(10)) const;

 private:
  static GstPadProbeReturn seen(GstPad* pad, GstPadProbeInfo* info, gpointer data);
  Ref<GstPad> pad_;
  gulong probe_ = 0;
  mutable std::mutex mutex_;
  std::vector<SeenFrame> frames_;
};

/// What a frame heard.
struct Heard {
  int number = -1;  ///< of the frame; -1: none of the pictures of a numbered file
  int ms = -1;      ///< the time in the speech's file; -1: silence
  bool whole = false;
};
/// Of each frame that was rendered since fake::reset().
std::vector<Heard> heard();

/// Fails the test unless each frame that was rendered since fake::reset() heard the speech of its
/// own number, less OFFSET_MS, within 2 ms: FIRST is the number of the frame at 0.
void expect_own_speech(int offset_ms = 0, int first = 0);

std::vector<int> numbers_of(const std::vector<SeenFrame>& frames);

}  // namespace latentsync::test
