#pragma once

#include "core/engine.h"
#include "gst/cuda/device.h"
#include "gst/input/frame_group.h"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

/// The next window, made ready by a second thread while the worker's renders one.
namespace latentsync {

/// Whether the engine is given the next window ahead of time: with LATENTSYNC_PREPARE_AHEAD=1 in
/// the environment. On a CPU it gains nothing: faces, crops and the autoencoder take the cores that
/// the window before is denoised on (docs/performance.md has what was measured). On a GPU it has
/// not been measured yet (docs/gpu-queue.md).
bool prepares_ahead();

/// A window as Session::prepare() needs it.
struct NextWindow {
  FrameGroup group;  ///< frames alone
  RenderSettings settings;
  std::vector<float> audio;
  int64_t audio_start = 0;
  std::vector<bool> at_rest;
};

/// A thread of its own, from the first window on. Where it cannot be started, or preparing fails,
/// nothing is prepared: the window is rendered all the same, and what is wrong is its error.
class Preparer {
 public:
  Preparer() = default;
  /// Cancels and joins.
  ~Preparer();
  Preparer(const Preparer&) = delete;
  Preparer& operator=(const Preparer&) = delete;

  /// Begins to prepare WINDOW; its number is returned, 0 where that cannot be. SESSION lives until
  /// finish() has returned. CUDA as MappedFrames has it. Only after finish() of the one before.
  uint64_t begin(Session& session, NextWindow window,
                 std::shared_ptr<const cuda::PrimaryContext> cuda) noexcept;
  /// To be called before SESSION renders a window or ends. NUMBER is that of the window's
  /// preparation, 0 where there is none: its end is waited for; any other is cancelled and
  /// forgotten. No buffer is held afterwards.
  void finish(Session& session, uint64_t number) noexcept;
  /// Gives up what is being prepared. From any thread.
  void cancel() noexcept;

 private:
  void run(const std::stop_token& stop) noexcept;
  void prepare(NextWindow& window, const std::stop_token& stop) noexcept;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  Session* session_ = nullptr;  ///< of the window that is being prepared; null: none is
  NextWindow window_;           ///< of the thread while session_ is set
  std::shared_ptr<const cuda::PrimaryContext> cuda_;  ///< likewise
  std::stop_source stop_;
  uint64_t number_ = 0;  ///< of the window that was begun last and not finished; 0: none
  uint64_t begun_ = 0;   ///< so far
  std::jthread thread_;
};

}  // namespace latentsync
