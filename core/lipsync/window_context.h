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

  /// In a task, right before a network other than the UNet is evaluated (core/lipsync/residency.h).
  void use_others(const Rung& rung) const {
    if (networks.residency) networks.residency->use_others(rung);
  }

  /// Gives each part of a denoising run to the device as a task that can be interrupted, with the
  /// UNet where RUNG has it, and goes on when it is launched; its time is part of PART_SECONDS. All
  /// of them must outlive the runner, as this object must.
  PartRunner unet_runner(const Rung& rung, double& part_seconds) const {
    return runner(part_seconds, [this, &rung] {
      if (networks.residency) networks.residency->use_unet(rung);
    });
  }
  /// The same for the autoencoder's batches.
  PartRunner vae_runner(const Rung& rung, double& part_seconds) const {
    return runner(part_seconds, [this, &rung] { use_others(rung); });
  }

 private:
  template <typename Use>
  PartRunner runner(double& part_seconds, Use use) const {
    return [this, &part_seconds, use](const std::function<void()>& part) {
      device.launch(part_seconds, [&] {
        const nn::Interruptible interruptible(stop);
        use();
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
