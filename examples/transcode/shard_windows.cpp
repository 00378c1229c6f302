#include "examples/transcode/shard_windows.h"

#include "examples/transcode/problem.h"
#include "gst/input/window_grid.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace latentsync::transcode {
namespace {

struct Cut {
  Part part;
  guint64 frames = 0;  ///< that are rendered for it
};

/// What the element thinks of RATE once it has seen a few of the frames. STEADY: and goes on to.
RateCheck checked_rate(std::span<const FedFrame> fed, const FrameRate& rate, bool& steady) {
  RateCheck check;
  check.set_rate(rate.numerator, rate.denominator);
  std::optional<bool> real;
  for (const FedFrame& frame : fed) {
    if (frame.discontinuity) {
      check.restart();
    }
    check.observe(int64_t(frame.time));
    if (check.settled()) {
      steady = steady && check.real() == real.value_or(check.real());
      real = check.real();
    }
  }
  check.settle();
  return check;
}

/// Where the lead-in of the shard that begins with window FIRST begins.
size_t lead_in(const Windows& windows, size_t first) {
  guint64 frames = 0;
  while (first > 0 && frames < kLeadInFrames) {
    frames += windows.all[--first].frames;
  }
  return first;
}

Cut cut(const Part& part, const Windows& windows, size_t first, size_t end) {
  const bool begins = first == windows.first;
  const bool ends = end == windows.all.size();
  const size_t lead = lead_in(windows, first);
  Cut made{.part = part};
  if (!begins) {
    made.part.begin = windows.all[first].begin;
    made.part.feed_begin = lead == 0 ? part.feed_begin : windows.all[lead].begin;
  }
  if (!ends) {
    made.part.end = windows.all[end].begin;
    made.part.feed_end = windows.all[end].begin;
  }
  for (size_t window = lead; window < end; ++window) {
    made.frames += windows.all[window].frames;
  }
  return made;
}

}  // namespace

Windows windows_of_frames(std::span<const FedFrame> fed, const FrameRate& rate, int window_frames,
                          const Part& part) {
  Windows windows;
  const RateCheck check = checked_rate(fed, rate, windows.steady);
  WindowGrid grid(window_frames);
  bool found = false;
  GstClockTime last = 0;
  for (const FedFrame& frame : fed) {
    if (frame.discontinuity) {
      grid.restart();
    }
    const auto time = int64_t(frame.time);
    const bool begins =
        (check.real() ? grid.place(check.number(time)) : grid.place_by_count()).begins;
    const bool keeps = part.keeps(frame.time);
    if (begins && found && !keeps) {
      break;
    }
    if (begins) {
      // Between two frames, so that no container's rounding of times matters.
      windows.all.push_back({frame.time - (frame.time - last) / 2 + kRounding, 0});
    }
    last = frame.time;
    ++windows.all.back().frames;
    if (keeps && !std::exchange(found, true)) {
      windows.first = windows.all.size() - 1;
    }
  }
  return windows;
}

std::vector<Part> cut_into_shards(const Part& part, const Windows& windows, int count) {
  const size_t total = windows.all.size() - windows.first;
  if (windows.all.empty() || total < size_t(count)) {
    throw Problem("--plan-shards " + std::to_string(count) + ": there are only " +
                      std::to_string(windows.all.empty() ? 0 : total) +
                      " windows; use fewer shards",
                  kUsage);
  }
  std::vector<Cut> cuts;
  for (size_t shard = 0; shard < size_t(count); ++shard) {
    cuts.push_back(cut(part, windows, windows.first + shard * total / size_t(count),
                       windows.first + (shard + 1) * total / size_t(count)));
  }
  std::stable_sort(cuts.begin(), cuts.end(),
                   [](const Cut& one, const Cut& other) { return one.frames > other.frames; });
  std::vector<Part> shards;
  for (const Cut& made : cuts) {
    shards.push_back(made.part);
  }
  return shards;
}

}  // namespace latentsync::transcode
