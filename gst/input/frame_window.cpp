#include "gst/input/frame_window.h"

#include <cstdlib>
#include <iterator>
#include <utility>

namespace latentsync {
bool survives_flush(GstEvent* event) {
  return GST_EVENT_IS_STICKY(event) && GST_EVENT_TYPE(event) != GST_EVENT_SEGMENT &&
         GST_EVENT_TYPE(event) != GST_EVENT_EOS;
}

FrameGroup& FrameWindow::open_group() {
  if (groups_.empty() || groups_.back().closed) groups_.emplace_back();
  return groups_.back();
}

void FrameWindow::push(Frame frame, bool discontinuity) {
  const bool paused = std::abs(frame.running_ns - last_ns_) > kLongestPause;
  last_ns_ = frame.running_ns;
  if (discontinuity || paused) cut();
  const bool was_settled = rate_.settled();
  const bool was_real = rate_.real();
  rate_.observe(frame.stream_ns);
  if (!was_settled && rate_.settled()) settle();
  if (was_settled && was_real != rate_.real()) {
    close();
    grid_.restart();
  }
  add(std::move(frame));
}

void FrameWindow::add(Frame frame) {
  if (rate_.real()) frame.number = rate_.number(frame.stream_ns);
  place(std::move(frame), !rate_.settled());
}

void FrameWindow::place(Frame frame, bool tentative) {
  const WindowGrid::Place place =
      frame.number ? grid_.place(*frame.number) : grid_.place_by_count();
  if (place.begins && !groups_.empty() && groups_.back().frames > 0) groups_.back().closed = true;
  FrameGroup& group = open_group();
  if (group.frames == 0) group.discontinuity = std::exchange(discontinuity_, false);
  group.tentative = tentative;
  group.items.emplace_back(std::move(frame));
  ++group.frames;
  ++frames_;
  group.closed = place.ends;
}

void FrameWindow::push_unedited(Frame frame) {
  cut();
  FrameGroup& group = open_group();
  group.discontinuity = group.reverse = group.closed = true;
  group.items.emplace_back(std::move(frame));
  ++group.frames;
  ++frames_;
}

void FrameWindow::push(EventPtr event) { open_group().items.emplace_back(std::move(event)); }

void FrameWindow::place_again(FrameGroup group) {
  if (group.discontinuity) {
    if (!groups_.empty() && groups_.back().frames > 0) groups_.back().closed = true;
    grid_.restart();
    discontinuity_ = true;
  }
  if (group.reverse) {
    frames_ += group.frames;
    groups_.push_back(std::move(group));
    return;
  }
  for (Item& item : group.items) {
    if (auto* frame = std::get_if<Frame>(&item)) {
      place(std::move(*frame), group.tentative);
    } else {
      push(std::move(std::get<EventPtr>(item)));
    }
  }
  if (group.early && groups_.back().frames > 0) {
    groups_.back().closed = groups_.back().early = true;
  }
}

void FrameWindow::settle() {
  std::deque<FrameGroup> tentative;
  while (!groups_.empty() && groups_.back().tentative) {
    tentative.push_front(std::move(groups_.back()));
    groups_.pop_back();
  }
  for (FrameGroup& group : tentative) {
    group.tentative = false;
    if (rate_.real()) {
      groups_.push_back(std::move(group));
      continue;
    }
    frames_ -= group.frames;
    for (Item& item : group.items) {
      if (auto* frame = std::get_if<Frame>(&item)) frame->number.reset();
    }
    place_again(std::move(group));
  }
}

void FrameWindow::limit(int window_frames) {
  if (window_frames >= grid_.frames()) return;
  grid_ = WindowGrid(window_frames);
  frames_ = 0;
  const bool discontinuity = std::exchange(discontinuity_, false);
  for (FrameGroup& group : std::exchange(groups_, {})) place_again(std::move(group));
  if (discontinuity) grid_.restart();
  discontinuity_ = discontinuity;
}

void FrameWindow::cut() {
  close();
  grid_.restart();
  rate_.restart();
  discontinuity_ = true;
}

void FrameWindow::close() {
  if (groups_.empty() || groups_.back().frames == 0) return;
  if (!rate_.settled()) {
    rate_.settle();
    settle();
  }
  groups_.back().early |= !groups_.back().closed;
  groups_.back().closed = true;
}

EventPtr FrameWindow::take_leading_event() {
  if (groups_.empty() || groups_.front().items.empty()) return nullptr;
  auto& items = groups_.front().items;
  auto* event = std::get_if<EventPtr>(&items.front());
  if (!event) return nullptr;
  EventPtr result = std::move(*event);
  items.erase(items.begin());
  if (items.empty()) groups_.pop_front();
  return result;
}

const FrameGroup* FrameWindow::complete() const {
  if (groups_.empty() || !groups_.front().closed || groups_.front().tentative) return nullptr;
  return &groups_.front();
}

FrameGroup* FrameWindow::complete() {
  return const_cast<FrameGroup*>(std::as_const(*this).complete());
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

void FrameWindow::keep_sticky_events(std::vector<Item> items) {
  std::vector<Item> kept;
  for (Item& item : items) {
    const auto* event = std::get_if<EventPtr>(&item);
    if (event && *event && survives_flush(event->get())) kept.push_back(std::move(item));
  }
  if (kept.empty()) return;
  if (groups_.empty()) groups_.emplace_back();
  auto& front = groups_.front().items;
  front.insert(front.begin(), std::make_move_iterator(kept.begin()),
               std::make_move_iterator(kept.end()));
}

int FrameWindow::drop_frames() {
  const int dropped = std::exchange(frames_, 0);
  std::deque<FrameGroup> groups = std::exchange(groups_, {});
  grid_.restart();
  rate_.restart();
  discontinuity_ = true;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    keep_sticky_events(std::move(group->items));
  }
  return dropped;
}

}  // namespace latentsync
