#pragma once

#include "examples/transcode/shard_plan.h"

#include <gst/gst.h>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// A frame of a part, as the element gave it, on the whole's timeline.
struct PartFrame {
  GstClockTime time = 0;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  guint flags = 0;  ///< GstBufferFlags and GstVideoBufferFlags
};

/// What a part is: a file of pictures, and here all that the file's container does not keep. A part
/// is there when its record is, and its file has the record's checksum.
struct PartRecord {
  std::string file;  ///< its name in the plan's folder
  std::string sha256;
  std::string caps;  ///< of the frames
  std::vector<PartFrame> frames;
  double seconds = 0;  ///< that it took
};

enum class PartState {
  kMissing,
  kDamaged,  ///< there, and not as it was written
  kWhole,
};

/// The record of PLAN's part INDEX as far as it is there; checks the file's checksum.
PartState find_part(const ShardPlan& plan, size_t index, PartRecord& record);

/// The name that a part's file has until its checksum is known.
std::string part_file(const ShardPlan& plan, size_t index);
/// The name of a part's file with the checksum SHA256. Parts of other bytes have other names, so
/// that of two runs of one shard neither takes the other's file away.
std::string part_file(const ShardPlan& plan, size_t index, const std::string& sha256);

/// Says that the part is there. An older record is replaced at once. Throws Problem.
void write_part_record(const ShardPlan& plan, size_t index, const PartRecord& record);

}  // namespace latentsync::transcode
