#include "gst/input/frame_group.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace latentsync {

const Frame& FrameGroup::frame(int number) const {
  for (const Item& item : items) {
    if (const auto* frame = std::get_if<Frame>(&item); frame && number-- == 0) return *frame;
  }
  std::abort();  // NUMBER is below frames: the callers count
}

Frame& FrameGroup::frame(int number) {
  return const_cast<Frame&>(std::as_const(*this).frame(number));
}

std::vector<int64_t> FrameGroup::times() const {
  std::vector<int64_t> result;
  for (const Item& item : items) {
    if (const auto* frame = std::get_if<Frame>(&item)) result.push_back(frame->timeline_ns);
  }
  return result;
}

namespace {

Frame without_buffer(const Frame& frame) {
  return {nullptr,         frame.format,      frame.running_ns,
          frame.stream_ns, frame.timeline_ns, frame.end_ns};
}

}  // namespace

FrameGroup FrameGroup::split() {
  FrameGroup rest;
  rest.frames = frames;
  rest.discontinuity = discontinuity;
  rest.closed = closed;
  std::vector<Item> kept;
  for (Item& item : items) {
    if (auto* frame = std::get_if<Frame>(&item)) {
      rest.items.emplace_back(without_buffer(*frame));
      kept.push_back(std::move(item));
    } else {
      rest.items.push_back(std::move(item));
    }
  }
  items = std::move(kept);
  return rest;
}

void FrameGroup::set_frames(FrameGroup group) {
  const int gone = group.frames - frames;
  for (int number = 0; number < frames; ++number) {
    frame(number) = std::move(group.frame(gone + number));
  }
}

std::vector<Item> FrameGroup::take_first() {
  const auto first = std::find_if(items.begin(), items.end(), [](const Item& item) {
    return std::holds_alternative<Frame>(item);
  });
  std::vector<Item> taken;
  std::move(items.begin(), first + 1, std::back_inserter(taken));
  items.erase(items.begin(), first + 1);
  --frames;
  return taken;
}

FrameGroup FrameGroup::share_frames() const {
  FrameGroup shared;
  shared.frames = frames;
  shared.discontinuity = discontinuity;
  for (const Item& item : items) {
    const auto* frame = std::get_if<Frame>(&item);
    if (!frame) continue;
    Frame copy = without_buffer(*frame);
    copy.buffer.reset(gst_buffer_ref(frame->buffer.get()));
    shared.items.emplace_back(std::move(copy));
  }
  return shared;
}

std::vector<BufferPtr> FrameGroup::share_buffers() const {
  std::vector<BufferPtr> buffers;
  for (const Item& item : items) {
    if (const auto* frame = std::get_if<Frame>(&item)) {
      buffers.emplace_back(gst_buffer_ref(frame->buffer.get()));
    }
  }
  return buffers;
}

}  // namespace latentsync
