#pragma once

#include "tests/gst/media.h"
#include "tests/gst/rig.h"

#include <cstdint>
#include <functional>
#include <vector>

/// A piece of video and audio to send through the element, and what must come out.
namespace latentsync::test {

struct Clip {
  Picture picture;
  uint64_t first = 0;  ///< its first frame's number; its time follows from it
  uint64_t frames = 40;
  int rate_numerator = 25;
  int rate_denominator = 1;
  bool with_metas = false;
  AudioFormat audio_format = AudioFormat::kF32;
  int64_t chunk = 320;       ///< samples of an audio buffer
  int64_t audio_begin = -1;  ///< first sample; -1: where the video begins
  int64_t audio_end = -1;    ///< -1: where the video ends

  std::vector<FrameSpec> specs() const;
  GstClockTime begin_time() const;
  GstClockTime end_time() const;
  int64_t first_sample() const;
  int64_t end_sample() const;
};

/// The clip's buffers, without events; RETIME changes what is set on them. Audio buffers begin on
/// multiples of the chunk and are cut where the clip's audio ends.
using Retime = std::function<void(GstBuffer*)>;
void feed_frames(Feeder& video, const Clip& clip, const Retime& retime = {});
void feed_samples(Feeder& audio, const Clip& clip, const Retime& retime = {});

/// stream-start, caps and segment on both pads.
void begin(Rig& rig, const Clip& clip);

/// begin(), frames and samples, end of stream on both pads.
void feed(Rig& rig, const Clip& clip);

/// A segment that begins at START, with running time 0.
GstSegment segment_at(GstClockTime start);

/// A flushing seek to where the clip begins; then its segment, frames, samples, end of stream.
bool seek(Rig& rig, const Clip& clip);

/// The rig starts, gets the clip, and its frames are taken at the end of stream.
std::vector<Ref<GstBuffer>> run(Rig& rig, const Clip& clip);

/// What an output may differ in from its source.
enum class Edit { kEdited, kUntouched, kEither };
using EditOf = std::function<Edit(size_t)>;

/// Fails the test unless the outputs are these frames: as many, with all they carried,
/// bit-identical but for the edited area, and there as EDIT (given the index) says.
void expect_frames(const std::vector<Ref<GstBuffer>>& outputs, const Picture& picture,
                   const std::vector<FrameSpec>& specs, const EditOf& edit);
void expect_frames(const std::vector<Ref<GstBuffer>>& outputs, const Clip& clip,
                   Edit edit = Edit::kEdited);

std::vector<size_t> window_sizes(const std::vector<fake::WindowRecord>& windows);

/// Fails the test unless, in every rendered window, the audio at each frame's time is the test
/// audio at OFFSET samples from the frame's own time (given by its picture), and silence where
/// SILENT says so for that sample.
void expect_audio_follows(const std::vector<fake::WindowRecord>& windows, const Clip& clip,
                          int64_t offset = 0, const std::function<bool(int64_t)>& silent = {});

/// A number for the bytes of each.
std::vector<uint64_t> hashes_of(const std::vector<Ref<GstBuffer>>& buffers);

}  // namespace latentsync::test
