#include "tests/gst/fake_engine.h"

#include "tests/gst/fake_control.h"
#include "tests/gst/fake_device.h"
#include "tests/gst/fake_picture.h"
#include "tests/gst/fake_plan.h"
#include "tests/gst/fake_preparation.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace latentsync::fake {
namespace {

constexpr int64_t kSampleRate = 16000;
constexpr int kLeadIn = 32;  // frames that a window depends on

Failure failure(ErrorCode code, const std::string& where) {
  return {code, "The fake engine was told to fail at " + where + ".",
          "code " + std::to_string(static_cast<int>(code))};
}

Failure cancelled() { return {ErrorCode::kCancelled, "It was stopped.", {}}; }

class FakeSession final : public Session {
 public:
  FakeSession(std::string folder, AudioContext context, int64_t lookahead_ns, ModelInfo info,
              MemoryPlan plan, bool has_cache)
      : folder_(std::move(folder)),
        context_(context),
        lookahead_(lookahead_ns),
        past_(behaviour_for(folder_).context.count()),
        info_(std::move(info)),
        plan_(std::move(plan)),
        has_cache_(has_cache) {
    ++control().live_sessions;
    const std::lock_guard lock(control().mutex);
    number_ = ++control().sessions_opened;
    control().whole_audio.clear();
    control().whole_audio_finished = false;
  }
  ~FakeSession() override { --control().live_sessions; }

  std::optional<Failure> prepare(const Window& window, const RenderSettings& settings,
                                 std::stop_token stop) noexcept override {
    return preparation_.prepare(window, settings, behaviour_for(folder_), stop);
  }

  std::string finish_cache() noexcept override;

  MemoryPlan memory_plan() const override {
    const std::lock_guard lock(plan_mutex_);
    return plan_;
  }

  AudioRange needed_audio(std::span<const int64_t> times) const noexcept override {
    if (times.empty()) {
      violation("needed_audio() of no frames");
      return {};
    }
    const auto sample = [](int64_t time) {
      const int64_t scaled = time / 1000 * kSampleRate;
      return scaled / 1000000 - (scaled < 0 ? 1 : 0);
    };
    return {sample(times.front() - past_), sample(times.back() + lookahead_) + 1};
  }

  std::optional<Failure> append_audio(std::span<const float> samples) noexcept override {
    const Use use(*this);
    if (context_ != AudioContext::kWhole) violation("append_audio() of a sliding session");
    if (finished_) violation("append_audio() after finish_audio()");
    whole_.insert(whole_.end(), samples.begin(), samples.end());
    const std::lock_guard lock(control().mutex);
    control().whole_audio = whole_;
    return std::nullopt;
  }

  std::optional<Failure> finish_audio() noexcept override {
    const Use use(*this);
    if (finished_) violation("finish_audio() twice");
    finished_ = true;
    const std::lock_guard lock(control().mutex);
    control().whole_audio_finished = true;
    return std::nullopt;
  }

  Result<WindowResult> render(const Window& window, const RenderSettings& settings,
                              std::stop_token stop,
                              const RenderProgressCallback& progress) noexcept override;

 private:
  /// Notices calls from two threads at once.
  struct Use {
    explicit Use(FakeSession& session) : session(session) {
      if (session.busy_.exchange(true)) violation("a session was used by two threads at once");
    }
    ~Use() { session.busy_ = false; }
    FakeSession& session;
  };

  /// Whether a cache has the next window.
  bool is_cached(const Behaviour& behaviour) const {
    return has_cache_ && rendered_ < behaviour.cached;
  }
  void check(const WindowRecord& record) const;
  uint64_t window_hash(const WindowRecord& record) const;
  void add_audio(const WindowRecord& record, Hash& hash) const;
  bool spend_time(const Behaviour& behaviour, int steps, const std::stop_token& stop,
                  const RenderProgressCallback& progress);
  std::optional<StageSeconds> take_time(const WindowRecord& record, const Behaviour& behaviour,
                                        const std::stop_token& stop,
                                        const RenderProgressCallback& progress);
  Result<std::vector<kernels::ImageView>> read(WindowFrames& frames, DeviceWork& work,
                                               WindowRecord& record) const;
  Result<WindowResult> write(WindowFrames& frames, DeviceWork& work,
                             const std::vector<kernels::ImageView>& views,
                             const WindowRecord& record, const Behaviour& behaviour);
  Result<WindowResult> render_recorded(const Window& window, WindowRecord& record,
                                       const Behaviour& behaviour, const std::stop_token& stop,
                                       const RenderProgressCallback& progress);

  const std::string folder_;
  const AudioContext context_;
  const int64_t lookahead_;
  const int64_t past_;
  const ModelInfo info_;
  mutable std::mutex plan_mutex_;
  MemoryPlan plan_;
  const bool has_cache_;
  uint64_t number_ = 0;
  std::vector<float> whole_;
  bool finished_ = false;
  int rendered_ = 0;
  int cache_finished_ = 0;        // of them
  std::vector<int64_t> lead_in_;  // times of the frames since the last discontinuity
  std::minstd_rand random_{std::random_device{}()};
  std::atomic<bool> busy_ = false;
  Preparation preparation_{info_.device};
};

void FakeSession::check(const WindowRecord& record) const {
  if (record.times.empty()) violation("a window without frames");
  if (static_cast<int64_t>(record.times.size()) > info_.most_window_frames) {
    violation("a window with more frames than the model can do");
  }
  if (!std::is_sorted(record.times.begin(), record.times.end())) {
    violation("times of a window that do not ascend");
  }
  if (record.settings.seed < 0) violation("a negative seed");
  if (context_ == AudioContext::kWhole && !finished_) {
    violation("render() before finish_audio()");
  }
}

void FakeSession::add_audio(const WindowRecord& record, Hash& hash) const {
  const auto& samples = context_ == AudioContext::kWhole ? whole_ : record.audio;
  const int64_t start = context_ == AudioContext::kWhole ? 0 : record.audio_start;
  for (int64_t at = record.needed.begin; at < record.needed.end; ++at) {
    const int64_t index = at - start;
    const bool known = index >= 0 && index < static_cast<int64_t>(samples.size());
    hash.add(known ? samples[static_cast<size_t>(index)] + 0.0f : 0.0f);
  }
}

uint64_t FakeSession::window_hash(const WindowRecord& record) const {
  Hash hash;
  for (const int64_t time : record.times) hash.add(time);
  for (const int64_t time : lead_in_) hash.add(time);
  add_audio(record, hash);
  const RenderSettings& settings = record.settings;
  hash.add(settings.seed);
  hash.add(settings.guidance_scale);
  hash.add(settings.inference_steps);
  hash.add(static_cast<int>(settings.attention));
  hash.add(settings.feature_cache);
  hash.add(settings.resolution);
  hash.add(static_cast<int>(settings.face_select));
  hash.add(settings.nearest_x);
  hash.add(settings.nearest_y);
  return hash.value();
}

bool FakeSession::spend_time(const Behaviour& behaviour, int steps, const std::stop_token& stop,
                             const RenderProgressCallback& progress) {
  auto once = behaviour.delay;
  if (behaviour.jitter.count() > 0) {
    std::uniform_int_distribution<int64_t> more(0, behaviour.jitter.count());
    once += std::chrono::nanoseconds(more(random_));
  }
  if (once.count() > 0) std::this_thread::sleep_for(once);
  if (!wait_while(control().renders_held, stop)) return false;
  for (int step = 0; step < steps; ++step) {
    if (stop.stop_requested()) return false;
    if (behaviour.step_delay.count() > 0) std::this_thread::sleep_for(behaviour.step_delay);
    if (progress) {
      progress(
          {.part = (step + 1.0) / steps, .stage = "denoise", .step = step + 1, .steps = steps});
    }
  }
  return !stop.stop_requested();
}

std::optional<StageSeconds> FakeSession::take_time(const WindowRecord& record,
                                                   const Behaviour& behaviour,
                                                   const std::stop_token& stop,
                                                   const RenderProgressCallback& progress) {
  const int64_t steps = is_cached(behaviour)                  ? 0
                        : record.settings.inference_steps > 0 ? record.settings.inference_steps
                                                              : info_.inference_steps;
  Spend spend;
  {
    const std::lock_guard lock(control().mutex);
    spend = control().spend;
  }
  if (spend) return spend(steps, record.times.size(), stop);
  if (!spend_time(behaviour, static_cast<int>(steps), stop, progress)) return std::nullopt;
  return StageSeconds{0.001, 0.002, 0.003, 0.004, 0.005, 0.006};
}

Result<std::vector<kernels::ImageView>> FakeSession::read(WindowFrames& frames, DeviceWork& work,
                                                          WindowRecord& record) const {
  std::vector<kernels::ImageView> views;
  for (size_t frame = 0; frame < record.times.size(); ++frame) {
    const Result<kernels::ImageView> view = frames.readable(frame);
    if (!view) return view.failure();
    views.push_back(*view);
    const Result<uint64_t> hash = work.hash(*view);
    if (!hash) return hash.failure();
    record.pictures.push_back(*hash);
    record.devices.push_back(view->device);
    record.scans.push_back(view->scan);
  }
  return views;
}

Result<WindowResult> FakeSession::write(WindowFrames& frames, DeviceWork& work,
                                        const std::vector<kernels::ImageView>& views,
                                        const WindowRecord& record, const Behaviour& behaviour) {
  const uint64_t seed = window_hash(record);
  WindowResult result;
  for (size_t frame = 0; frame < views.size(); ++frame) {
    const int64_t time = record.times[frame];
    const kernels::ImageView& view = views[frame];
    FrameResult& made = result.frames.emplace_back();
    const Result<uint64_t> seen = work.hash(view);
    if (!seen) return seen.failure();
    if (*seen != record.pictures[frame]) {
      violation("a frame's pixels changed while it was being rendered");
    }
    const Result<uint8_t> mark = work.first_byte(view);
    if (!mark) return mark.failure();
    const bool marked = *mark == behaviour.no_face_mark;
    const bool no_face =
        std::any_of(behaviour.no_face.begin(), behaviour.no_face.end(),
                    [&](const auto& range) { return time >= range.first && time <= range.second; });
    if (marked || no_face) continue;
    if (behaviour.write_delay.count() > 0) std::this_thread::sleep_for(behaviour.write_delay);
    const Result<kernels::ImageView> writable = frames.writable(frame);
    if (!writable) return writable.failure();
    const Result<uint64_t> found = work.hash(*writable);
    if (!found) return found.failure();
    if (writable->width != view.width || writable->height != view.height ||
        writable->format != view.format || *found != record.pictures[frame]) {
      violation("writable() is another picture than readable()");
    }
    Hash hash;
    hash.add(seed);
    hash.add(frame);
    hash.add(record.pictures[frame]);
    if (auto failure = work.scramble(*writable, hash.value(), frames, frame)) return *failure;
    const Area area = edited_area(view.width, view.height);
    made = {
        FrameOutcome::kEdited,
        {static_cast<double>(area.left), static_cast<double>(area.top),
         static_cast<double>(area.right - area.left), static_cast<double>(area.bottom - area.top)},
        0.9,
        1.0,
        1};
    if (record.settings.measure_mouths) made.mouth_opening = 0.02 * static_cast<double>(frame);
  }
  result.rung = memory_plan().rung().rung.name;
  result.memory_peak = memory_plan().rung().peak - (int64_t{10} << 20);
  result.cached = is_cached(behaviour);
  if (has_cache_) result.cache_warning = behaviour.cache_warning;
  return result;
}

Result<WindowResult> FakeSession::render_recorded(const Window& window, WindowRecord& record,
                                                  const Behaviour& behaviour,
                                                  const std::stop_token& stop,
                                                  const RenderProgressCallback& progress) {
  DeviceWork work(info_.device);
  const Result<std::vector<kernels::ImageView>> views = read(*window.frames, work, record);
  if (!views) return views.failure();
  if (progress) progress({.part = 0.01, .stage = "face"});
  const auto seconds = take_time(record, behaviour, stop, progress);
  if (!seconds) return cancelled();
  const auto& fault = behaviour.render_failure;
  if (fault && rendered_ >= fault->first && rendered_ - fault->first < fault->count) {
    ++rendered_;
    return failure(fault->code, "window " + std::to_string(rendered_ - 1));
  }
  if (behaviour.lower_rung && rendered_ >= *behaviour.lower_rung) {
    const std::lock_guard lock(plan_mutex_);
    plan_ = lowered(std::move(plan_), 1);
  }
  if (window.discontinuity) lead_in_.clear();
  Result<WindowResult> result = write(*window.frames, work, *views, record, behaviour);
  if (result) result->seconds = *seconds;
  ++rendered_;
  lead_in_.insert(lead_in_.end(), record.times.begin(), record.times.end());
  if (lead_in_.size() > kLeadIn) lead_in_.erase(lead_in_.begin(), lead_in_.end() - kLeadIn);
  return result;
}

Result<WindowResult> FakeSession::render(const Window& window, const RenderSettings& settings,
                                         std::stop_token stop,
                                         const RenderProgressCallback& progress) noexcept {
  const Use use(*this);
  const Behaviour behaviour = behaviour_for(folder_);
  WindowRecord record;
  record.session = number_;
  record.context = context_;
  record.discontinuity = window.discontinuity;
  record.settings = settings;
  record.deadline_ns = window.deadline_ns;
  record.at_rest = window.at_rest;
  record.prepared = preparation_.take(window, settings);
  for (size_t frame = 0; frame < window.frames->count(); ++frame) {
    record.times.push_back(window.frames->time_ns(frame));
  }
  record.needed = needed_audio(record.times);
  record.audio.assign(window.audio.begin(), window.audio.end());
  record.audio_start = window.audio_start;
  check(record);
  {
    const std::lock_guard lock(control().mutex);
    ++control().renders_begun;
    control().changed.notify_all();
  }
  Result<WindowResult> result = render_recorded(window, record, behaviour, stop, progress);
  if (!result) record.failure = result.failure().code;
  if (behaviour.record) {
    const std::lock_guard lock(control().mutex);
    control().windows.push_back(std::move(record));
  }
  return result;
}

std::string FakeSession::finish_cache() noexcept {
  const Use use(*this);
  if (!has_cache_ || std::exchange(cache_finished_, rendered_) == rendered_) return {};
  const Behaviour behaviour = behaviour_for(folder_);
  std::this_thread::sleep_for(behaviour.cache_end_delay);
  return behaviour.cache_end_warning;
}

class FakeModel final : public Model {
 public:
  explicit FakeModel(const ModelSettings& settings) : folder_(settings.folder) {
    const Behaviour behaviour = behaviour_for(folder_);
    info_ = {"fake",
             settings.device == "auto" ? behaviour.device : full_name(settings.device),
             "float32",
             settings.vae == VaeChoice::kTiny ? "tiny" : "full",
             behaviour.resolution,
             behaviour.steps,
             1,
             behaviour.window_limit,
             1 << 20,
             "1.6"};
    for (int number = 0; number < behaviour.warnings; ++number) {
      info_.warnings.push_back("The fake model's warning " + std::to_string(number) + ".");
    }
    ++control().live_models;
  }
  ~FakeModel() override { --control().live_models; }

  const ModelInfo& info() const noexcept override { return info_; }

  Result<RenderSettings> resolve(const RenderSettings& settings) const noexcept override {
    if (const auto code = behaviour_for(folder_).resolve_failure)
      return failure(*code, "resolve()");
    RenderSettings resolved = settings;
    if (resolved.inference_steps == 0) resolved.inference_steps = info_.inference_steps;
    if (resolved.feature_cache < 0) resolved.feature_cache = info_.feature_cache;
    if (resolved.resolution == 0) resolved.resolution = info_.resolution;
    if (resolved.vae_batch == 0) resolved.vae_batch = 1;
    return resolved;
  }

  Result<std::unique_ptr<Session>> open(AudioContext context, int64_t lookahead,
                                        const PlanRequest& request,
                                        const CacheSettings& cache) noexcept override {
    if (const auto code = behaviour_for(folder_).open_failure) return failure(*code, "open()");
    if (lookahead < 120'000'000) violation("a look-ahead of less than 120 ms");
    MemoryPlan plan = fake_plan(request);
    {
      const std::lock_guard lock(control().mutex);
      control().opened.push_back(request);
      control().caches.push_back(cache);
    }
    if (!plan.fits()) return Failure{ErrorCode::kOutOfMemory, plan.advice, {}};
    return std::unique_ptr<Session>(std::make_unique<FakeSession>(
        folder_, context, lookahead, info_, std::move(plan), cache.enabled));
  }

 private:
  const std::string folder_;
  ModelInfo info_;
};

class FakeEngine final : public Engine {
 public:
  Result<MemoryPlan> plan(const PlanRequest& request) noexcept override {
    {
      const std::lock_guard lock(control().mutex);
      control().plans.push_back(request);
    }
    const Behaviour behaviour = behaviour_for(request.model.folder);
    if (behaviour.plan_delay.count() > 0) std::this_thread::sleep_for(behaviour.plan_delay);
    if (behaviour.plan_failure) return failure(*behaviour.plan_failure, "plan()");
    return fake_plan(request);
  }

  Result<std::shared_ptr<Model>> load(
      const ModelSettings& settings, std::stop_token stop,
      const std::function<void(double, const char*)>& progress) noexcept override {
    {
      const std::lock_guard lock(control().mutex);
      control().loads.push_back(settings);
      control().changed.notify_all();
    }
    if (auto model = loaded(settings)) return model;
    const Behaviour behaviour = behaviour_for(settings.folder);
    if (!wait_while(control().loads_held, stop)) return cancelled();
    for (int step = 0; step < behaviour.load_steps; ++step) {
      if (stop.stop_requested()) return cancelled();
      if (progress) progress(static_cast<double>(step) / behaviour.load_steps, "fake weights");
      std::this_thread::sleep_for(behaviour.load_delay / behaviour.load_steps);
    }
    if (stop.stop_requested()) return cancelled();
    if (behaviour.load_failure) return failure(*behaviour.load_failure, "load()");
    if (settings.device.starts_with("cuda") && !has_device(settings.device)) {
      return Failure{ErrorCode::kDevice, "There is no CUDA device here; set device=cpu.", {}};
    }
    if (progress) progress(1.0, "fake weights");
    // Another element may have been faster.
    if (auto model = loaded(settings)) return model;
    const std::lock_guard lock(mutex_);
    auto model = std::make_shared<FakeModel>(settings);
    models_.emplace_back(settings, model);
    return std::shared_ptr<Model>(std::move(model));
  }

 private:
  std::shared_ptr<Model> loaded(const ModelSettings& settings) {
    const std::lock_guard lock(mutex_);
    std::erase_if(models_, [](const auto& entry) { return entry.second.expired(); });
    for (const auto& [key, model] : models_) {
      if (key == settings) return model.lock();
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::vector<std::pair<ModelSettings, std::weak_ptr<Model>>> models_;
};

}  // namespace
}  // namespace latentsync::fake

extern "C" latentsync::Engine* latentsync_engine(int version) {
  static latentsync::fake::FakeEngine engine;
  return version == latentsync::kEngineVersion ? &engine : nullptr;
}
