#include "gst/frame_window.h"

#include <cstdlib>
#include <iterator>
#include <utility>

namespace latentsync {

Frame& FrameGroup::frame(int number) {
  for (Item& item : items) {
    if (auto* frame = std::get_if<Frame>(&item); frame && number-- == 0) return *frame;
  }
  std::abort();  // NUMBER is below frames: the callers count
}

std::vector<int64_t> FrameGroup::times() const {
  std::vector<int64_t> result;
  for (const Item& item : items) {
    if (const auto* frame = std::get_if<Frame>(&item)) result.push_back(frame->timeline_ns);
  }
  return result;
}

FrameGroup FrameGroup::split() {
  FrameGroup rest;
  rest.frames = frames;
  rest.discontinuity = discontinuity;
  rest.closed = closed;
  std::vector<Item> kept;
  for (Item& item : items) {
    if (auto* frame = std::get_if<Frame>(&item)) {
      rest.items.emplace_back(
          Frame{nullptr, frame->format, frame->timeline_ns, frame->running_ns, frame->stream_ns});
      kept.push_back(std::move(item));
    } else {
      rest.items.push_back(std::move(item));
    }
  }
  items = std::move(kept);
  return rest;
}

void FrameGroup::set_buffers(std::vector<BufferPtr> buffers) {
  for (int number = 0; number < frames; ++number) frame(number).buffer = std::move(buffers[number]);
}

std::vector<BufferPtr> FrameGroup::take_buffers() {
  std::vector<BufferPtr> buffers;
  for (int number = 0; number < frames; ++number) {
    buffers.push_back(std::move(frame(number).buffer));
  }
  return buffers;
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

FrameGroup& FrameWindow::open_group() {
  if (groups_.empty() || groups_.back().closed) groups_.emplace_back();
  return groups_.back();
}

void FrameWindow::push(Frame frame, bool discontinuity) {
  const bool paused = std::abs(frame.timeline_ns - last_ns_) > kLongestPause;
  last_ns_ = frame.timeline_ns;
  if (discontinuity || paused) cut();
  const WindowGrid::Place place = grid_.place(frame.stream_ns);
  if (place.begins) close();
  FrameGroup& group = open_group();
  if (group.frames == 0) group.discontinuity = std::exchange(discontinuity_, false);
  group.items.emplace_back(std::move(frame));
  ++group.frames;
  ++frames_;
  group.closed = place.ends;
}

void FrameWindow::push(EventPtr event) { open_group().items.emplace_back(std::move(event)); }

void FrameWindow::cut() {
  close();
  grid_.restart();
  discontinuity_ = true;
}

void FrameWindow::set_rate(int numerator, int denominator) {
  grid_.set_rate(numerator, denominator);
}

void FrameWindow::close() {
  if (!groups_.empty() && groups_.back().frames > 0) groups_.back().closed = true;
}

std::vector<EventPtr> FrameWindow::take_leading_events() {
  std::vector<EventPtr> result;
  if (groups_.empty()) return result;
  auto& items = groups_.front().items;
  auto next = items.begin();
  for (; next != items.end() && std::holds_alternative<EventPtr>(*next); ++next) {
    result.push_back(std::move(std::get<EventPtr>(*next)));
  }
  items.erase(items.begin(), next);
  if (items.empty()) groups_.pop_front();
  return result;
}

const FrameGroup* FrameWindow::complete() const {
  return !groups_.empty() && groups_.front().closed ? &groups_.front() : nullptr;
}

std::optional<FrameGroup> FrameWindow::take() {
  if (!complete()) return std::nullopt;
  std::optional<FrameGroup> result(std::move(groups_.front()));
  groups_.pop_front();
  frames_ -= result->frames;
  return result;
}

const Frame* FrameWindow::oldest() const {
  for (const FrameGroup& group : groups_) {
    for (const Item& item : group.items) {
      if (const auto* frame = std::get_if<Frame>(&item)) return frame;
    }
  }
  return nullptr;
}

void FrameWindow::keep_sticky_events(FrameGroup group) {
  FrameGroup kept;
  for (Item& item : group.items) {
    const auto* event = std::get_if<EventPtr>(&item);
    if (event && *event && GST_EVENT_IS_STICKY(event->get()) &&
        GST_EVENT_TYPE(event->get()) != GST_EVENT_SEGMENT) {
      kept.items.push_back(std::move(item));
    }
  }
  if (kept.items.empty()) return;
  if (groups_.empty()) groups_.emplace_back();
  auto& items = groups_.front().items;
  items.insert(items.begin(), std::make_move_iterator(kept.items.begin()),
               std::make_move_iterator(kept.items.end()));
}

void FrameWindow::drop_frames() {
  std::deque<FrameGroup> groups = std::exchange(groups_, {});
  reset();
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    keep_sticky_events(std::move(*group));
  }
}

void FrameWindow::reset() {
  groups_.clear();
  frames_ = 0;
  grid_.restart();
  discontinuity_ = true;
}

}  // namespace latentsync
