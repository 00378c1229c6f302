#include "examples/transcode/recording.h"

#include <algorithm>

namespace latentsync::transcode {

void FrameRun::merge(const FrameRun& later) {
  begin = std::min(begin, later.begin);
  end = std::max(end, later.end);
  for (size_t fate = 0; fate < kFates; ++fate) {
    frames[fate] += later.frames[fate];
  }
  late += later.late;
}

Level Level::of(GstClockTime begin, GstClockTime end, double value) {
  return {begin, end, value, value, value, 1};
}

void Level::merge(const Level& later) {
  begin = std::min(begin, later.begin);
  end = std::max(end, later.end);
  least = std::min(least, later.least);
  most = std::max(most, later.most);
  sum += later.sum;
  samples += later.samples;
}

void WindowRun::merge(const WindowRun& later) {
  begin = std::min(begin, later.begin);
  end = std::max(end, later.end);
  windows += later.windows;
  cached += later.cached;
  seconds += later.seconds;
  for (size_t stage = 0; stage < stages.size(); ++stage) {
    stages[stage] += later.stages[stage];
  }
  memory_peak = std::max(memory_peak, later.memory_peak);
  memory_planned = std::max(memory_planned, later.memory_planned);
}

}  // namespace latentsync::transcode
