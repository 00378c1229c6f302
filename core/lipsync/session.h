#pragma once

#include "core/lipsync/commit.h"
#include "core/lipsync/device_share.h"
#include "core/lipsync/model.h"
#include "core/lipsync/renderer.h"
#include "core/lipsync/result_cache.h"
#include "core/lipsync/session_audio.h"
#include "core/lipsync/window_chain.h"
#include "core/lipsync/window_context.h"

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

namespace latentsync::lipsync {

/// A stream of a model (core/engine.h). A window goes through three values: what is prepared of it,
/// what is denoised from that, and the commit, which only writes and is the first thing that
/// changes a frame or the session.
class LipsyncSession : public Session {
 public:
  LipsyncSession(std::shared_ptr<LoadedModel> model, AudioContext context, int64_t lookahead_ns,
                 SessionMemory memory, const CacheSettings& cache = {});

  AudioRange needed_audio(std::span<const int64_t> times_ns) const noexcept override;
  std::optional<Failure> append_audio(std::span<const float> samples) noexcept override;
  std::optional<Failure> finish_audio() noexcept override;
  Result<WindowResult> render(const Window& window, const RenderSettings& settings,
                              std::stop_token stop,
                              const RenderProgressCallback& progress) noexcept override;
  std::optional<Failure> prepare(const Window& window, const RenderSettings& settings,
                                 std::stop_token stop = {}) noexcept override;
  MemoryPlan memory_plan() const override { return share_.rungs().plan(); }
  std::string finish_cache() noexcept override;
  const DeviceShare& share() const { return share_; }

 private:
  struct Input;
  struct Denoised;
  struct Generated;

  Input read(const Window& window, const RenderSettings& settings) const;
  WindowResult render_window(const Window& window, const RenderSettings& settings,
                             const std::stop_token& stop, const RenderProgressCallback& progress);
  void prepare_ahead(const Window& window, const RenderSettings& settings,
                     const std::stop_token& stop);
  Prepared prepare_input(const WindowContext& context, const Window& window, const Input& input,
                         const face::FollowState& follow);
  Denoised denoise(const WindowContext& context, const Input& input, const Prepared& prepared);
  Generated generate(const WindowContext& context, const Input& input, Prepared& prepared);
  Failure explained(const Failure& failure, const RenderSettings& settings) const noexcept;
  FaceMask mask_of(const DeviceWork& device, int64_t resolution);

  std::shared_ptr<LoadedModel> model_;
  DeviceShare share_;
  SessionAudio audio_;
  WindowChain chain_;
  std::mutex mask_mutex_;
  FaceMask mask_;
  std::unique_ptr<ResultCache> cache_;  // none where it is off
};

}  // namespace latentsync::lipsync
