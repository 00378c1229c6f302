#pragma once

#include "core/engine.h"
#include "core/lipsync/device_work.h"
#include "core/lipsync/networks.h"
#include "core/lipsync/renderer.h"
#include "core/lipsync/window_progress.h"
#include "core/nn/interruption.h"
#include "core/part_runner.h"

#include <algorithm>
#include <functional>
#include <stop_token>

namespace latentsync::lipsync {

/// What a window is rendered with and under, in all of its stages.
struct WindowContext {
  const Networks& networks;
  const RenderSettings& settings;  ///< resolved
  const FaceMask& mask;            ///< of settings.resolution, on the networks' device
  const DeviceWork& device;
  std::stop_token stop;
  WindowProgress& progress;
  StageSeconds& seconds;                ///< what is spent is added
  PosteriorNoise posterior_noise = {};  ///< for one sequence; undefined: the mean

  /// Gives each part to the device as a task that can be interrupted, and goes on when it is
  /// launched; CLOCK adds its time to PART_SECONDS. Both must outlive the runner, as this object
  /// must.
  PartRunner part_runner(device::StageClock& clock, double& part_seconds) const {
    return [this, &clock, &part_seconds](const std::function<void()>& part) {
      device.launch(clock, part_seconds, [&] {
        const nn::Interruptible interruptible(stop);
        part();
      });
    };
  }
};

/// The networks' part of the window at RUNG.
inline Renderer make_renderer(const WindowContext& context, const Rung& rung) {
  return {*context.networks.vae,
          context.networks.dtype,
          {.batch = std::min(rung.vae_batch, context.settings.vae_batch), .tile = rung.vae_tile},
          context.stop};
}

}  // namespace latentsync::lipsync
