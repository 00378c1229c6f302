#include "gst/worker.h"

#include "gst/guard.h"
#include "gst/image_bridge.h"

#include <string>
#include <utility>

namespace latentsync {

Worker::Worker(Engine& engine, WorkerListener& listener, Options options)
    : engine_(engine), listener_(listener), options_(std::move(options)) {
  thread_ = std::jthread([this] { run(); });
}

Worker::~Worker() { cancel(); }

void Worker::cancel() {
  stop_.request_stop();
  {
    std::lock_guard lock(mutex_);
    interrupted_ = true;
    job_stop_.request_stop();
  }
  changed_.notify_all();
}

bool Worker::busy_locked() const {
  return phase_ == Phase::kLoading || phase_ == Phase::kOpening || phase_ == Phase::kRendering;
}

bool Worker::busy() const {
  std::lock_guard lock(mutex_);
  return busy_locked();
}

bool Worker::idle() const {
  std::lock_guard lock(mutex_);
  return phase_ == Phase::kIdle;
}

AudioRange Worker::needed_audio(const std::vector<int64_t>& times) const {
  return session_->needed_audio(times);
}

void Worker::submit(Job job) {
  {
    std::lock_guard lock(mutex_);
    if (phase_ == Phase::kEnded) return;
    outcome_.emplace();
    outcome_->job = std::move(job);
    job_stop_ = std::stop_source();
    phase_ = Phase::kRendering;
    if (stop_.stop_requested()) job_stop_.request_stop();
  }
  changed_.notify_all();
}

std::optional<Outcome> Worker::take() {
  std::lock_guard lock(mutex_);
  if (phase_ != Phase::kFinished) return std::nullopt;
  phase_ = Phase::kIdle;
  return std::exchange(outcome_, std::nullopt);
}

void Worker::cancel_job() {
  std::lock_guard lock(mutex_);
  job_stop_.request_stop();
}

void Worker::wait(std::optional<std::chrono::milliseconds> limit) {
  std::unique_lock lock(mutex_);
  const auto over = [this] { return interrupted_ || !busy_locked(); };
  if (limit) {
    changed_.wait_for(lock, *limit, over);
  } else {
    changed_.wait(lock, over);
  }
}

void Worker::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return interrupted_; });
}

void Worker::interrupt(bool on) {
  {
    std::lock_guard lock(mutex_);
    interrupted_ = on || stop_.stop_requested();
  }
  changed_.notify_all();
}

bool Worker::interrupted() const {
  std::lock_guard lock(mutex_);
  return interrupted_;
}

std::optional<Outcome> Worker::reopen(AudioContext context) {
  std::unique_lock lock(mutex_);
  options_.context = context;
  changed_.wait(lock, [this] { return phase_ != Phase::kRendering && phase_ != Phase::kOpening; });
  std::optional<Outcome> dropped = std::exchange(outcome_, std::nullopt);
  alarm_.reset();
  if (phase_ == Phase::kIdle || phase_ == Phase::kFinished) phase_ = Phase::kOpening;
  lock.unlock();
  changed_.notify_all();
  return dropped;
}

void Worker::set_alarm(std::optional<std::chrono::steady_clock::time_point> time) {
  {
    std::lock_guard lock(mutex_);
    alarm_ = time;
  }
  changed_.notify_all();
}

void Worker::run() noexcept {
  try {
    work();
  } catch (...) {
    fail(current_failure());
  }
  {
    // Whatever was still to be done never will be: nobody may wait for it.
    std::lock_guard lock(mutex_);
    phase_ = Phase::kEnded;
  }
  changed_.notify_all();
}

void Worker::work() {
  bool usable = load();
  while (usable && !stop_.stop_requested()) {
    std::unique_lock lock(mutex_);
    if (!wait_for_work(lock)) return;
    const Phase phase = phase_;
    lock.unlock();
    if (phase == Phase::kOpening) {
      usable = open();
    } else if (phase == Phase::kRendering) {
      render();
    }
    if (usable) listener_.worker_changed();
  }
}

bool Worker::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto has_work = [this] {
    return stop_.stop_requested() || phase_ == Phase::kOpening || phase_ == Phase::kRendering;
  };
  while (!has_work()) {
    if (!alarm_) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() >= *alarm_) {
      alarm_.reset();
      return true;
    } else {
      changed_.wait_until(lock, *alarm_);
    }
  }
  return !stop_.stop_requested();
}

void Worker::fail(const Failure& failure) {
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kEnded;
  }
  changed_.notify_all();
  listener_.model_failed(failure);
}

bool Worker::load() {
  listener_.load_begins();
  auto model =
      engine_.load(options_.model, stop_.get_token(),
                   [this](double part, const char* what) { listener_.model_loading(part, what); });
  if (!model) {
    fail(model.failure());
    return false;
  }
  model_ = *model;
  const ModelInfo& info = model_->info();
  if (info.most_window_frames > 0 && options_.window_frames > info.most_window_frames) {
    const std::string most = std::to_string(info.most_window_frames);
    fail({ErrorCode::kInvalidArgument, "window-frames=" + std::to_string(options_.window_frames) +
                                           ", but the model " + info.name +
                                           " was trained for at most " + most +
                                           " frames: set window-frames to " + most + " or less."});
    return false;
  }
  if (auto resolved = model_->resolve(options_.render); !resolved) {
    fail(resolved.failure());
    return false;
  }
  listener_.model_loaded(info);
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kOpening;
  }
  return true;
}

bool Worker::open() {
  AudioContext context;
  {
    std::lock_guard lock(mutex_);
    context = options_.context;
  }
  session_.reset();
  auto session = model_->open(context, options_.lookahead_ns);
  if (!session) {
    fail(session.failure());
    return false;
  }
  session_ = std::move(*session);
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kIdle;
  }
  changed_.notify_all();
  return true;
}

void Worker::render() {
  // Nobody else touches the outcome in this phase.
  Job& job = outcome_->job;
  std::stop_token stop;
  {
    std::lock_guard lock(mutex_);
    stop = job_stop_.get_token();
  }
  const auto begin = std::chrono::steady_clock::now();
  std::optional<Failure> failure;
  if (job.audio_whole) {
    failure = session_->append_audio(job.audio);
    if (!failure) failure = session_->finish_audio();
    job.audio = {};
  }
  if (failure) {
    outcome_->result = *failure;
  } else {
    MappedFrames frames(job.group, job.spare.get());
    Window window{&frames, job.group.discontinuity, job.audio, job.audio_start};
    outcome_->result = session_->render(window, job.settings, stop);
  }
  outcome_->seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  {
    std::lock_guard lock(mutex_);
    phase_ = Phase::kFinished;
  }
  changed_.notify_all();
}

}  // namespace latentsync
