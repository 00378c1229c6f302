#include "gst/render/worker.h"

#include "gst/guard.h"
#include "gst/input/audio_levels.h"
#include "gst/render/blend.h"
#include "gst/render/image_bridge.h"

#include <algorithm>
#include <chrono>
#include <pthread.h>
#include <string>
#include <utility>

namespace latentsync {
namespace {

bool is_edited(const WindowResult& result, size_t frame) {
  return frame < result.frames.size() && result.frames[frame].outcome == FrameOutcome::kEdited;
}

/// Another reference to each frame that is not wholly edited has the engine write into a copy.
std::vector<BufferPtr> keep_originals(const Job& job) {
  std::vector<BufferPtr> originals(job.weights.size());
  for (size_t number = 0; number < originals.size(); ++number) {
    if (job.weights[number] >= 1) continue;
    GstBuffer* buffer = job.group.frame(static_cast<int>(number)).buffer.get();
    originals[number].reset(gst_buffer_ref(buffer));
  }
  return originals;
}

/// The edit fades in after frames that have passed. Only now it is known which those are.
void fade_in(Job& job, std::vector<BufferPtr>& originals) {
  const SpareBuffers& spare = *job.spare;
  if (spare.originals().empty()) return;
  const auto frames = static_cast<size_t>(job.group.frames);
  job.weights.resize(frames, 1);
  originals.resize(frames);
  for (size_t i = 0; i < spare.originals().size(); ++i) {
    const size_t number = spare.begin() + i;
    job.weights[number] = std::min(job.weights[number], fade_weight(spare.faded() + i));
    originals[number].reset(gst_buffer_ref(spare.originals()[i].get()));
  }
}

/// The job's frames become what its weights say, between ORIGINALS and what was rendered.
std::optional<Failure> fade(Job& job, const WindowResult& result,
                            std::vector<BufferPtr> originals) {
  for (size_t number = 0; number < job.weights.size(); ++number) {
    Frame& frame = job.group.frame(static_cast<int>(number));
    const float weight = job.weights[number];
    if (weight >= 1 || !is_edited(result, number)) continue;
    if (weight <= 0) {
      frame.buffer = std::move(originals[number]);
    } else if (auto failure =
                   blend(originals[number].get(), frame.buffer.get(), *frame.format, weight)) {
      return failure;
    }
  }
  return std::nullopt;
}

}  // namespace

Worker::Worker(Engine& engine, WorkerListener& listener, Options options)
    : engine_(engine), listener_(listener), options_(std::move(options)), model_(options_.loaded) {
  thread_ = std::jthread([this] { run(); });
}

Worker::~Worker() { cancel(); }

void Worker::cancel() {
  stop_.request_stop();
  {
    std::lock_guard lock(mutex_);
    can_prepare_ = false;
    job_stop_.request_stop();
  }
  preparer_.cancel();
  changed_.notify_all();
}

bool Worker::idle() const {
  std::lock_guard lock(mutex_);
  return phase_ == Phase::kIdle;
}

AudioRange Worker::needed_audio(const std::vector<int64_t>& times) const {
  return session_->needed_audio(times);
}

std::shared_ptr<Model> Worker::model() const {
  std::lock_guard lock(mutex_);
  return model_;
}

void Worker::reopen(AudioContext context) {
  {
    std::lock_guard lock(mutex_);
    if (phase_ == Phase::kEnded) return;
    options_.context = context;
    phase_ = Phase::kOpening;
  }
  changed_.notify_all();
}

void Worker::finish_cache() {
  {
    std::lock_guard lock(mutex_);
    if (phase_ == Phase::kEnded) return;
    phase_ = Phase::kWriting;
  }
  changed_.notify_all();
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

bool Worker::has_failed() const {
  std::lock_guard lock(mutex_);
  return phase_ == Phase::kFinished && outcome_ && !outcome_->result;
}

std::optional<Outcome> Worker::take() {
  std::lock_guard lock(mutex_);
  if (phase_ != Phase::kFinished) return std::nullopt;
  phase_ = Phase::kIdle;
  return std::exchange(outcome_, std::nullopt);
}

void Worker::cancel_job() {
  {
    std::lock_guard lock(mutex_);
    can_prepare_ = false;
    job_stop_.request_stop();
  }
  preparer_.cancel();
}

bool Worker::can_prepare() const {
  std::lock_guard lock(mutex_);
  return can_prepare_;
}

uint64_t Worker::prepare(NextWindow window) {
  {
    std::lock_guard lock(mutex_);
    if (!std::exchange(can_prepare_, false)) return 0;
  }
  return preparer_.begin(*session_, std::move(window), frames_device());
}

/// The session stays what it is until the next job, or another session, is asked for.
void Worker::let_prepare() {
  if (!prepares_ahead_) return;
  {
    std::lock_guard lock(mutex_);
    can_prepare_ = !job_stop_.stop_requested();
  }
  listener_.worker_changed();
}

void Worker::set_phase(Phase phase) {
  std::lock_guard lock(mutex_);
  phase_ = phase;
}

void Worker::run() noexcept {
  pthread_setname_np(pthread_self(), "latentsync");
  try {
    work();
    write_cache();
  } catch (...) {
    fail(current_failure());
  }
  // What was still to be done will not be.
  set_phase(Phase::kEnded);
}

void Worker::work() {
  if (!load()) return;
  listener_.worker_changed();
  for (;;) {
    Phase phase;
    AudioContext context;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] {
        return stop_.stop_requested() || phase_ == Phase::kRendering || phase_ == Phase::kOpening ||
               phase_ == Phase::kWriting;
      });
      phase = phase_;
      context = options_.context;
    }
    if (stop_.stop_requested()) return;
    if (phase == Phase::kRendering) {
      render();
    } else if (phase == Phase::kWriting) {
      write_cache();
      set_phase(Phase::kIdle);
    } else if (const auto failure = open(context)) {
      fail(*failure);
      return;
    } else {
      set_phase(Phase::kIdle);
    }
    listener_.worker_changed();
  }
}

void Worker::fail(const Failure& failure) {
  set_phase(Phase::kEnded);
  listener_.model_failed(failure);
}

PlanRequest Worker::request() const {
  std::lock_guard lock(mutex_);
  return options_.request;
}

void Worker::set_frame_size(int width, int height) {
  std::lock_guard lock(mutex_);
  options_.request.width = width;
  options_.request.height = height;
}

void Worker::set_held_bytes(int64_t bytes) {
  std::lock_guard lock(mutex_);
  options_.request.frame_bytes = bytes;
}

void Worker::tell(const MemoryPlan& plan) {
  if (rung_ == plan.rung().rung) return;
  rung_ = plan.rung().rung;
  listener_.plan_made(plan);
}

std::optional<Failure> Worker::plan() {
  const auto plan = engine_.plan(request());
  if (!plan) return plan.failure();
  if (!plan->fits()) {
    return Failure{ErrorCode::kOutOfMemory, plan->advice,
                   "budget " + std::to_string(plan->budget) + ", free " +
                       std::to_string(plan->free) + ", the least " +
                       std::to_string(plan->rung().peak) + " bytes"};
  }
  tell(*plan);
  return std::nullopt;
}

Result<std::shared_ptr<Model>> Worker::load_model() {
  if (auto model = this->model()) {
    if (const auto failure = plan()) return *failure;
    return model;
  }
  listener_.load_begins();
  if (const auto failure = plan()) return *failure;
  return engine_.load(
      options_.request.model, stop_.get_token(),
      [this](double part, const char* what) { listener_.model_loading(part, what); });
}

bool Worker::load() {
  const auto model = load_model();
  if (!model) {
    fail(model.failure());
    return false;
  }
  const ModelInfo& info = (*model)->info();
  {
    std::lock_guard lock(mutex_);
    model_ = *model;
  }
  const int64_t frames = options_.request.window_frames;
  if (info.most_window_frames > 0 && frames > info.most_window_frames) {
    const std::string most = std::to_string(info.most_window_frames);
    fail({ErrorCode::kInvalidArgument, "window-frames=" + std::to_string(frames) +
                                           ", but the model " + info.name +
                                           " was trained for at most " + most +
                                           " frames: set window-frames to " + most + " or less."});
    return false;
  }
  prepares_ahead_ = prepares_ahead();
  const auto resolved = (*model)->resolve(options_.request.settings);
  if (!resolved) {
    fail(resolved.failure());
    return false;
  }
  if (const auto failure = open(options_.context)) {
    fail(*failure);
    return false;
  }
  listener_.model_loaded(info, *resolved, options_.loaded != nullptr);
  set_phase(Phase::kIdle);
  return true;
}

/// Its end waits for its files anyway.
void Worker::write_cache() {
  if (!session_) return;
  const std::string warning = session_->finish_cache();
  if (!warning.empty()) listener_.cache_finished(warning);
}

std::optional<Failure> Worker::open(AudioContext context) {
  if (session_) preparer_.finish(*session_, 0);
  write_cache();
  session_.reset();
  const PlanRequest request = this->request();
  auto session = model_->open(context, options_.lookahead_ns, request, options_.cache);
  if (!session) return session.failure();
  session_ = std::move(*session);
  planned_pixels_ = request.width * request.height;
  planned_bytes_ = request.frame_bytes;
  tell(session_->memory_plan());
  return std::nullopt;
}

/// Its frames are larger than those that the memory is planned for. Where nothing of the windows
/// before counts, a new session plans anew and loses nothing but tracks that end there anyway.
bool Worker::outgrows(const Job& job) const {
  if (job.context != AudioContext::kSliding || !job.group.discontinuity) return false;
  const GstVideoInfo& info = *job.group.frame(0).format;
  const int64_t pixels = int64_t{GST_VIDEO_INFO_WIDTH(&info)} * GST_VIDEO_INFO_HEIGHT(&info);
  return pixels > planned_pixels_ || request().frame_bytes > planned_bytes_;
}

std::shared_ptr<const cuda::PrimaryContext> Worker::frames_device() const {
  const auto& cuda = options_.cuda;
  if (!cuda || model()->info().device != "cuda:" + std::to_string(cuda->device())) return nullptr;
  return cuda;
}

Result<WindowResult> Worker::render_job(Job& job, const std::stop_token& stop) {
  if (outgrows(job)) {
    const GstVideoInfo& info = *job.group.frame(0).format;
    set_frame_size(GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info));
    if (const auto failure = open(job.context)) return *failure;
  }
  if (job.new_session) {
    if (const auto failure = open(job.context)) return *failure;
    if (job.context == AudioContext::kWhole) {
      if (const auto failure = session_->append_audio(job.audio)) return *failure;
      if (const auto failure = session_->finish_audio()) return *failure;
      job.audio = {};
    }
  }
  preparer_.finish(*session_, job.group.prepared);
  std::vector<BufferPtr> originals = keep_originals(job);
  auto result = render_frames(job, stop);
  tell(session_->memory_plan());
  if (!result) return result;
  fade_in(job, originals);
  if (const auto failure = fade(job, *result, std::move(originals))) return *failure;
  return result;
}

Result<WindowResult> Worker::render_frames(Job& job, const std::stop_token& stop) {
  MappedFrames frames(job.group, job.spare.get(), frames_device());
  Window window{&frames,         job.group.discontinuity, job.audio,
                job.audio_start, job.deadline_ns,         job.at_rest};
  bool begun = false;
  auto result = session_->render(window, job.settings, stop, [&](const RenderProgress& progress) {
    // Before this the engine may not have taken what was prepared of this window.
    if (!std::exchange(begun, true)) let_prepare();
    listener_.window_progress(job, progress);
  });
  if (!result) return result;
  if (auto failure = frames.finish()) return std::move(*failure);
  return result;
}

void Worker::render() {
  // Nobody else touches the outcome in this phase.
  Outcome& outcome = *outcome_;
  std::stop_token stop;
  {
    std::lock_guard lock(mutex_);
    stop = job_stop_.get_token();
  }
  const auto clock_time = [clock = outcome.job.clock.get()] {
    return clock ? gst_clock_get_time(clock) : 0;
  };
  const auto begin = std::chrono::steady_clock::now();
  const GstClockTime clock_begin = clock_time();
  outcome.result = render_job(outcome.job, stop);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  outcome.can_go_on = session_ != nullptr;
  outcome.took_ns = clock_time() - clock_begin;
  if (outcome.result) {
    for (int number = 0; number < outcome.job.group.frames; ++number) {
      const auto index = static_cast<size_t>(number);
      const auto& weights = outcome.job.weights;
      outcome.job.group.frame(number).edited =
          is_edited(*outcome.result, index) && (weights.empty() || weights[index] > 0);
    }
  }
  std::lock_guard lock(mutex_);
  can_prepare_ = false;
  phase_ = Phase::kFinished;
}

}  // namespace latentsync
