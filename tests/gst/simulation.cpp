#include "tests/gst/simulation.h"

#include "tests/gst/clip.h"
#include "tests/gst/told.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace latentsync::test {
TaskWatch::TaskWatch() {
  gst_debug_remove_log_function(gst_debug_log_default);
  gst_debug_add_log_function(&TaskWatch::line, this, nullptr);
  gst_debug_set_active(TRUE);
  gst_debug_set_threshold_from_string("latentsync:6", FALSE);
}

TaskWatch::~TaskWatch() {
  gst_debug_set_threshold_from_string("latentsync:0", FALSE);
  gst_debug_remove_log_function_by_data(this);
  gst_debug_add_log_function(gst_debug_log_default, nullptr, nullptr);
}

void TaskWatch::line(GstDebugCategory*, GstDebugLevel, const gchar*, const gchar* function, gint,
                     GObject*, GstDebugMessage* message, gpointer data) {
  auto* self = static_cast<TaskWatch*>(data);
  const std::string name = function;
  // Formatting the others takes time.
  if (name != "wait" && name != "submit" && name != "take_outcome" && name != "land" &&
      name != "pass_due_frame") {
    return;
  }
  const std::string text = gst_debug_message_get(message);
  const std::lock_guard lock(self->mutex_);
  const auto has = [&](const char* words) { return text.find(words) != std::string::npos; };
  if (has(" begins: ")) ++self->now_.begun;
  if (has("is rendered in") || has("is given back in") || has("is of no use any more"))
    ++self->now_.ended;
  if (has("its frames passed unedited")) ++self->now_.given_up;
  constexpr std::string_view kWaiting = "waiting, with ";
  if (!text.starts_with(kWaiting)) return;
  ++self->now_.waits;
  self->now_.arrivals = std::strtoull(text.c_str() + kWaiting.size(), nullptr, 10);
  self->waiting_ = self->now_;
  self->changed_.notify_all();
}

TaskWatch::State TaskWatch::state() {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

void TaskWatch::look_again() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void TaskWatch::wait_until(const std::function<bool(const State&)>& condition) {
  std::unique_lock lock(mutex_);
  const auto limit = patience(std::chrono::seconds(10));
  if (changed_.wait_for(lock, limit, [&] { return condition(waiting_); })) return;
  ADD_FAILURE() << "the source task does not get there: " << waiting_.waits << " waits, "
                << waiting_.arrivals << " arrivals, " << waiting_.begun << " windows begun, "
                << waiting_.ended << " ended, " << waiting_.given_up << " given up";
}

Simulation::Simulation(Options options)
    : options_(std::move(options)),
      frame_(GST_SECOND / static_cast<GstClockTime>(options_.frames_per_second)),
      rig_(Mode::kLive, options_.properties) {
  fake::behave("record=off,context=100ms,steps=" + std::to_string(options_.steps));
  fake::spend_with([this](int64_t steps, size_t frames, const std::stop_token& stop) {
    return spend(steps, frames, stop);
  });
  rig_.video.latency = rig_.audio.latency = frame_;
  rig_.start();
  Clip clip;
  clip.picture.rate = std::to_string(options_.frames_per_second) + "/1";
  begin(rig_, clip);
  EXPECT_TRUE(rig_.video.wait_idle());
  EXPECT_TRUE(rig_.audio.wait_idle());
  // The model is there.
  EXPECT_TRUE(rig_.wait_message(GST_MESSAGE_PROGRESS, 2));
  latency_ = rig_.update_latency().least;
  rig_.drop_messages();
}

Simulation::~Simulation() {
  {
    const std::lock_guard lock(mutex_);
    ends_at_.reset();
    released_ = begun_ + 1;
  }
  changed_.notify_all();
  rig_.stop();
  fake::spend_with(nullptr);
}

GstClockTime Simulation::window() const {
  guint frames = 0;
  g_object_get(rig_.element(), "window-frames", &frames, nullptr);
  return frames * frame_;
}

std::optional<StageSeconds> Simulation::spend(int64_t steps, size_t frames,
                                              const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const uint64_t number = ++begun_;
  const int64_t cost = options_.cost(steps, frames, now_);
  ++counts_.windows[steps];
  ends_at_ = now_ + static_cast<GstClockTime>(cost);
  lock.unlock();
  watch_.look_again();
  lock.lock();
  const bool ended = changed_.wait(lock, stop, [&] { return released_ >= number; });
  ends_at_.reset();
  // What was given up needs no release any more.
  released_ = std::max(released_, number);
  if (!ended) return std::nullopt;
  const double seconds = static_cast<double>(cost) / 1e9;
  StageSeconds stages;
  stages.denoise = seconds * options_.step_share;
  stages.decode = seconds - stages.denoise;
  return stages;
}

/// Waits until the source task has seen all that has happened, MORE_WAITS times more than before,
/// and the engine has begun what it was given.
void Simulation::settle(uint64_t more_waits) {
  EXPECT_TRUE(rig_.video.wait_idle()) << "the camera is blocked at " << now_ / GST_MSECOND;
  EXPECT_TRUE(rig_.audio.wait_idle()) << "the microphone is blocked at " << now_ / GST_MSECOND;
  watch_.wait_until([&](const TaskWatch::State& state) {
    const std::lock_guard lock(mutex_);
    const bool busy = ends_at_.has_value();
    return state.waits >= more_waits && state.arrivals >= arrivals_ &&
           state.ended + (busy ? 1 : 0) == state.begun && begun_ == state.begun;
  });
  read_messages();
  take_frames();
}

std::optional<GstClockTime> Simulation::alarm() const {
  const Ref<GstClock> clock(gst_element_get_clock(rig_.element()));
  GstClockID id = nullptr;
  if (!gst_test_clock_peek_next_pending_id(GST_TEST_CLOCK(clock.get()), &id)) return std::nullopt;
  const GstClockTime time = gst_clock_id_get_time(id);
  gst_clock_id_unref(id);
  return time;
}

void Simulation::move_clock(GstClockTime time) {
  {
    const std::lock_guard lock(mutex_);
    now_ = std::max(now_, time);
  }
  const auto ring = alarm();
  const uint64_t waits = watch_.state().waits;
  rig_.set_time(now_);
  settle(ring && *ring <= now_ ? waits + 1 : waits);
}

/// The frame that is over now, and its sound.
void Simulation::arrive() {
  const GstClockTime pts = next_frame_ * frame_;
  if (video_on) {
    rig_.video.push(make_frame(Picture{}, {next_frame_, pts, frame_, false}));
    ++arrivals_;
  }
  if (audio_on) {
    const auto samples = static_cast<int64_t>(gst_util_uint64_scale(frame_, 16000, GST_SECOND));
    const auto first = static_cast<int64_t>(next_frame_) * samples;
    rig_.audio.push(make_audio(AudioFormat::kF32, first, samples, pts));
    arrivals_ += 2;  // counted before and after it waits for room
  }
  ++next_frame_;
  settle(watch_.state().waits);
}

void Simulation::step(GstClockTime until) {
  const auto ring = alarm();
  std::optional<GstClockTime> end;
  {
    const std::lock_guard lock(mutex_);
    end = ends_at_;
  }
  if (end && *end <= until && (!ring || *end <= *ring)) {
    move_clock(*end);
    const uint64_t waits = watch_.state().waits;
    {
      const std::lock_guard lock(mutex_);
      // It may have been given up by the clock.
      if (ends_at_ != end) return;
      released_ = begun_;
      ends_at_.reset();
    }
    changed_.notify_all();
    settle(waits + 1);
  } else {
    move_clock(ring && *ring <= until ? *ring : until);
  }
}

void Simulation::run(GstClockTime duration) {
  const GstClockTime end = next_frame_ * frame_ + duration;
  while (next_frame_ * frame_ < end && !testing::Test::HasFailure()) {
    const GstClockTime arrival = (next_frame_ + 1) * frame_;
    while (now_ < arrival && !testing::Test::HasFailure()) step(arrival);
    arrive();
  }
}

void Simulation::read_messages() {
  bool grows = false;
  for (const auto& message : rig_.messages(GST_MESSAGE_ANY)) {
    guint64 pts = 0, duration = 0;
    gint quality = 0;
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_QOS:
        gst_message_parse_qos(message.get(), nullptr, nullptr, nullptr, &pts, &duration);
        gst_message_parse_qos_values(message.get(), nullptr, nullptr, &quality);
        if (duration > frame_) {
          quality_[pts] = quality;
          counts_.qualities.insert(quality);
          ++counts_.changes;
        } else {
          ++told_[pts];
        }
        break;
      case GST_MESSAGE_LATENCY:
        grows = true;
        ++counts_.latency_posted;
        break;
      case GST_MESSAGE_WARNING:
        counts_.warnings.insert(sentence_of(message.get()));
        ++counts_.warned;
        break;
      case GST_MESSAGE_ERROR:
        ++counts_.errors;
        ADD_FAILURE() << sentence_of(message.get());
        break;
      default:
        break;
    }
  }
  rig_.drop_messages();
  if (grows) latency_ = rig_.update_latency().least;
}

void Simulation::take_frames() {
  for (const auto& frame : rig_.take_buffers()) {
    const GstClockTime pts = GST_BUFFER_PTS(frame.get());
    const uint64_t number = pts / frame_;
    const Ref<GstBuffer> source = make_frame(Picture{}, {number, pts, frame_, false});
    const double strength = difference(bytes_of(frame.get()), bytes_of(source.get()));
    const bool edited = strength > 0;
    if (counts_.frames > 0) {
      counts_.edges += edited != (strength_ > 0);
      counts_.jumps += std::abs(strength - strength_) > strongest_ / 2;
    }
    strength_ = strength;
    strongest_ = std::max(strongest_, strength);
    const bool late = now_ > pts + latency_;
    const bool told = told_.erase(pts) > 0;
    ++counts_.frames;
    counts_.edited += edited;
    counts_.late += late;
    while (quality_.size() > 1 && std::next(quality_.begin())->first <= pts) {
      quality_.erase(quality_.begin());
    }
    const bool passes =
        !quality_.empty() && quality_.begin()->first <= pts && quality_.begin()->second == 0;
    counts_.untold += (late && !told) || (!edited && !told && !passes);
    counts_.disordered += number != next_out_;
    next_out_ = number + 1;
  }
}

}  // namespace latentsync::test
