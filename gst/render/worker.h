#pragma once

#include "core/engine.h"
#include "gst/cuda/device.h"
#include "gst/input/frame_group.h"
#include "gst/render/preparer.h"
#include "gst/render/spare_buffers.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

/// The inference thread of an element: loads the model, then renders one window at a time, and has
/// the next one prepared meanwhile.
namespace latentsync {

/// What a window is made from, and what comes back of it.
struct Job {
  uint64_t index = 0;  ///< since the element started
  FrameGroup group;    ///< frames alone, without events
  std::shared_ptr<SpareBuffers> spare;
  RenderSettings settings;
  AudioContext context = AudioContext::kSliding;
  bool new_session = false;            ///< nothing of the windows before counts
  std::optional<int64_t> deadline_ns;  ///< as Window has it
  ClockPtr clock;                      ///< of a live graph; null otherwise
  std::vector<float> audio;  ///< sliding: from audio_start on; whole: all of it, with a new session
  int64_t audio_start = 0;
  std::vector<bool> at_rest;   ///< as Window has it
  std::vector<float> weights;  ///< of the edit in each frame, 0 to 1; empty: 1 in all
};

struct Outcome {
  Job job;
  Result<WindowResult> result = Failure{};
  bool can_go_on = true;     ///< after a failure: the session is still there
  double seconds = 0;        ///< wall clock
  GstClockTime took_ns = 0;  ///< by the job's clock, if it has one
};

/// Called from the worker's thread, with none of its locks held.
class WorkerListener {
 public:
  virtual ~WorkerListener() = default;
  /// How windows are fitted into the memory: before the model is loaded, and again when the rung
  /// has changed. It fits.
  virtual void plan_made(const MemoryPlan& plan) = 0;
  virtual void load_begins() = 0;
  virtual void model_loading(double part, const char* what) = 0;
  /// RESOLVED: how it will be used at first. WAS_LOADED: it came with the options, and no load
  /// began.
  virtual void model_loaded(const ModelInfo& info, const RenderSettings& resolved,
                            bool was_loaded) = 0;
  /// kCancelled too.
  virtual void model_failed(const Failure& failure) = 0;
  /// The job that is being rendered has got so far.
  virtual void window_progress(const Job& job, const RenderProgress& progress) = 0;
  /// A sentence about windows, a session's last ones, that the result cache could not keep.
  virtual void cache_finished(const std::string& warning) = 0;
  /// The worker became idle, has an outcome, or can prepare the next window.
  virtual void worker_changed() = 0;
};

class Worker {
 public:
  struct Options {
    PlanRequest request;  ///< its settings are checked against the model once it is loaded
    std::shared_ptr<Model> loaded;  ///< of the request; null: to be loaded
    AudioContext context = AudioContext::kSliding;
    int64_t lookahead_ns = 0;
    CacheSettings cache;
    /// Of the device that the request names; null where there is none. Frames in its memory stay
    /// there if the model is on it.
    std::shared_ptr<const cuda::PrimaryContext> cuda;
  };

  Worker(Engine& engine, WorkerListener& listener, Options options);
  /// Cancels and joins.
  ~Worker();

  /// What the memory is planned for, from the next plan or session on.
  void set_frame_size(int width, int height);
  /// Likewise: of the frames in the device's memory that the element holds at most.
  void set_held_bytes(int64_t bytes);

  /// The model is loaded, and no job is being rendered or waits to be taken.
  bool idle() const;

  /// A job is being rendered, and the next one may be prepared beside it, which has not been asked
  /// for yet.
  bool can_prepare() const;
  /// What of a window that will be submitted next does not depend on the job that is being
  /// rendered is done meanwhile. The number is for FrameGroup::prepared of that window's frames,
  /// which are not to change until then. Only while can_prepare().
  uint64_t prepare(NextWindow window);

  /// What a window at these times needs; only while idle() or can_prepare().
  AudioRange needed_audio(const std::vector<int64_t>& times) const;

  /// A new session with another audio context; only while idle(), which it is not for a moment.
  void reopen(AudioContext context);

  /// Has the files of the windows so far written, and reports what could not be; only while idle(),
  /// which it is not until then.
  void finish_cache();
  /// Windows are kept in files.
  bool has_cache() const { return options_.cache.enabled; }

  /// Only while idle(). After cancel() the job may get lost.
  void submit(Job job);
  /// The finished job that take() would return has failed.
  bool has_failed() const;
  /// A finished job, once.
  std::optional<Outcome> take();
  /// Stops the job that is being rendered, within one denoising step; its outcome is kCancelled.
  void cancel_job();

  /// From any thread: gives up loading and the job; nothing is rendered afterwards.
  void cancel();

  /// The model; null before it is loaded. For the next worker.
  std::shared_ptr<Model> model() const;

 private:
  enum class Phase { kLoading, kOpening, kIdle, kRendering, kFinished, kWriting, kEnded };

  void run() noexcept;
  void work();
  bool load();
  std::optional<Failure> plan();
  Result<std::shared_ptr<Model>> load_model();
  std::optional<Failure> open(AudioContext context);
  void write_cache();
  bool outgrows(const Job& job) const;
  std::shared_ptr<const cuda::PrimaryContext> frames_device() const;
  PlanRequest request() const;
  void tell(const MemoryPlan& plan);
  void render();
  void let_prepare();
  Result<WindowResult> render_job(Job& job, const std::stop_token& stop);
  Result<WindowResult> render_frames(Job& job, const std::stop_token& stop);
  void fail(const Failure& failure);
  void set_phase(Phase phase);

  Engine& engine_;
  WorkerListener& listener_;
  Options options_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Phase phase_ = Phase::kLoading;
  std::stop_source job_stop_;
  std::optional<Outcome> outcome_;  ///< the job in it while it is being rendered, too
  std::shared_ptr<Model> model_;
  bool can_prepare_ = false;

  std::unique_ptr<Session> session_;  ///< of the thread; read by others while idle or can_prepare()
  std::optional<Rung> rung_;          ///< of the thread; of the plan that was posted last
  int64_t planned_pixels_ = 0;        ///< of the thread; of a frame that the session is for
  int64_t planned_bytes_ = 0;         ///< likewise, of frames in the device's memory
  bool prepares_ahead_ = false;       ///< of the thread
  Preparer preparer_;
  std::jthread thread_;
};

}  // namespace latentsync
