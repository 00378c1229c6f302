#pragma once

#include "core/engine.h"
#include "gst/frame_window.h"
#include "gst/spare_buffers.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

/// The one inference thread of an element: loads the model, then makes one window at a time.
namespace latentsync {

/// What a window is made from, and what comes back of it.
struct Job {
  uint64_t index = 0;    ///< since the element started
  uint64_t flushes = 0;  ///< of the video, before this
  FrameGroup group;
  std::shared_ptr<SpareBuffers> spare;  ///< of a live graph; else null
  RenderSettings settings;
  std::vector<float> audio;  ///< sliding: from audio_start on; whole: all of it, with the first job
  int64_t audio_start = 0;
  bool audio_whole = false;  ///< AUDIO is the whole audio, from sample 0 on
};

struct Outcome {
  Job job;
  Result<WindowResult> result = Failure{};
  double seconds = 0;  ///< wall clock
};

/// Told from the worker's thread, with none of its locks held.
class WorkerListener {
 public:
  virtual ~WorkerListener() = default;
  virtual void load_begins() = 0;
  virtual void model_loading(double part, const char* what) = 0;
  virtual void model_loaded(const ModelInfo& info) = 0;
  /// kCancelled too.
  virtual void model_failed(const Failure& failure) = 0;
  /// The worker became idle, has an outcome, or the alarm went off.
  virtual void worker_changed() = 0;
};

class Worker {
 public:
  struct Options {
    ModelSettings model;
    RenderSettings render;  ///< checked against the model once it is loaded
    int window_frames = 16;
    AudioContext context = AudioContext::kSliding;
    int64_t lookahead_ns = 0;
  };

  Worker(Engine& engine, WorkerListener& listener, Options options);
  /// Cancels and joins.
  ~Worker();

  /// The model is there, and no job is being made or waits to be taken.
  bool idle() const;
  /// Something is being made, or loaded.
  bool busy() const;

  /// What a window at these times needs; only while idle().
  AudioRange needed_audio(const std::vector<int64_t>& times) const;

  /// Only while idle(). After cancel() the job may get lost.
  void submit(Job job);
  /// A finished job, once.
  std::optional<Outcome> take();
  /// Stops the job that is being made, within one denoising step; it comes back as kCancelled.
  void cancel_job();

  /// Blocks while busy(), at most until interrupt(true), or as long as LIMIT.
  void wait(std::optional<std::chrono::milliseconds> limit = std::nullopt);
  /// Blocks so long, at most until interrupt(true).
  void pause(std::chrono::milliseconds time);
  /// While ON, wait() and pause() return at once.
  void interrupt(bool on);
  bool interrupted() const;

  /// A new stream with the same model: waits for the job and forgets all that the session knows.
  /// Returns the outcome that nobody took.
  std::optional<Outcome> reopen(AudioContext context);

  /// worker_changed() will be called at TIME, unless the alarm is set anew before; while a job is
  /// being made, after it.
  void set_alarm(std::optional<std::chrono::steady_clock::time_point> time);

  /// From any thread: gives up loading and the job; nothing is made afterwards.
  void cancel();

 private:
  enum class Phase { kLoading, kOpening, kIdle, kRendering, kFinished, kEnded };

  void run() noexcept;
  void work();
  bool load();
  bool open();
  void render();
  void fail(const Failure& failure);
  bool busy_locked() const;
  bool wait_for_work(std::unique_lock<std::mutex>& lock);

  Engine& engine_;
  WorkerListener& listener_;
  Options options_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Phase phase_ = Phase::kLoading;
  bool interrupted_ = false;
  std::stop_source job_stop_;
  std::optional<Outcome> outcome_;  ///< the job in it while it is being made, too
  std::optional<std::chrono::steady_clock::time_point> alarm_;

  std::shared_ptr<Model> model_;      ///< of the thread
  std::unique_ptr<Session> session_;  ///< of the thread; read by others while idle
  std::jthread thread_;
};

}  // namespace latentsync
