#include "examples/transcode/part_frames.h"

#include "examples/transcode/input_file.h"
#include "examples/transcode/problem.h"

#include <filesystem>
#include <utility>

namespace latentsync::transcode {
namespace {

/// Flags of a buffer that say how its memory is held.
constexpr guint kOfTheMemory = GST_BUFFER_FLAG_TAG_MEMORY;

Unit unit_of(GstSample* sample, const PartFrame& frame, GstCaps* caps) {
  Unit unit;
  unit.buffer.reset(gst_buffer_copy(gst_sample_get_buffer(sample)));
  unit.caps.reset(gst_caps_ref(caps));
  unit.time = frame.time;
  unit.duration = GST_CLOCK_TIME_IS_VALID(frame.duration) ? frame.duration : 0;
  GstBuffer* buffer = unit.buffer.get();
  GST_BUFFER_DURATION(buffer) = frame.duration;
  GST_BUFFER_FLAGS(buffer) =
      (GST_BUFFER_FLAGS(buffer) & kOfTheMemory) | (frame.flags & ~kOfTheMemory);
  return unit;
}

}  // namespace

PartFrames::PartFrames(std::string folder, std::vector<PartRecord> parts)
    : folder_(std::move(folder)), parts_(std::move(parts)) {}

void PartFrames::open() {
  const PartRecord& part = parts_[part_];
  const std::string file = (std::filesystem::path(folder_) / part.file).string();
  caps_.reset(gst_caps_from_string(part.caps.c_str()));
  const gchar* format =
      caps_ ? gst_structure_get_string(gst_caps_get_structure(caps_.get(), 0), "format") : nullptr;
  if (format == nullptr) {
    throw Problem(file + ": its record does not say what its frames are; make the part again");
  }
  // The encoder has them in another order of planes or bytes.
  format_ = std::string("video/x-raw,format=") + format;
  reader_ = std::make_unique<ReadingPipeline>(ReadingPipeline::Wish{
      .file = file, .uri = uri_of(file), .kind = StreamKind::kVideo, .caps = format_.c_str()});
  frame_ = 0;
}

Unit PartFrames::next() {
  while (part_ < parts_.size()) {
    if (!reader_) {
      open();
    }
    const SamplePtr sample = reader_->next(never_);
    const PartRecord& part = parts_[part_];
    if (static_cast<bool>(sample) == (frame_ == part.frames.size())) {
      throw Problem(part.file + ": it has not the " + std::to_string(part.frames.size()) +
                    " frames of its record; make the part again");
    }
    if (sample) {
      return unit_of(sample.get(), part.frames[frame_++], caps_.get());
    }
    reader_.reset();
    ++part_;
  }
  return {};
}

}  // namespace latentsync::transcode
