#pragma once

#include "examples/transcode/media_reader.h"
#include "examples/transcode/part_record.h"
#include "examples/transcode/reading_pipeline.h"
#include "examples/transcode/shard_plan.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// The frames of parts, one part after the other, as the element gave them.
class PartFrames {
 public:
  /// PARTS: in the order of their frames.
  PartFrames(std::string folder, std::vector<PartRecord> parts);

  /// The next frame; an empty unit at the end. Throws Problem: a part that cannot be read, or has
  /// other frames than its record.
  Unit next();

 private:
  void open();

  std::string folder_;
  std::vector<PartRecord> parts_;
  size_t part_ = 0;
  size_t frame_ = 0;
  std::string format_;
  CapsPtr caps_;
  const std::atomic<bool> never_ = false;
  std::unique_ptr<ReadingPipeline> reader_;
};

}  // namespace latentsync::transcode
