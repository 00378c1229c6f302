#pragma once

#include "core/engine.h"
#include "core/memory/meta_scope.h"
#include "core/nn/config.h"

#include <cstdint>
#include <memory>
#include <optional>

#include <c10/core/ScalarType.h>

/// What a window needs, counted by running the networks without memory and without arithmetic.
namespace latentsync::memory {

/// All that the sizes of a model's tensors follow from.
struct NetworkConfigs {
  nn::UNet3DConfig unet;
  std::optional<nn::AutoencoderKLConfig> vae;  ///< none: TAESD
  nn::WhisperConfig whisper;
};

/// The memory of a model on a device. The networks are made on the meta device, and each stage is
/// run on it with the code and the options that a session runs it with, its tensors counted; so the
/// figures follow the code by themselves. Some tens of milliseconds for each rung that is new, no
/// memory to speak of. For one thread at a time.
///
/// On a CPU the count is that of layers whose weights are not packed. Packed ones need about as
/// much: less in feed-forwards, and half of a result more in convolutions that are done in parts.
class DryRun {
 public:
  /// The networks run in DTYPE, the face networks in float32. Errors: those of the networks'
  /// constructors for configurations that cannot be.
  DryRun(const NetworkConfigs& configs, c10::ScalarType dtype, Rounding rounding);
  DryRun(const DryRun&) = delete;
  DryRun& operator=(const DryRun&) = delete;
  ~DryRun();

  /// A window of WINDOW_FRAMES frames of WIDTH x HEIGHT pixels with SETTINGS, which are resolved
  /// (core/lipsync/render_settings.h); a longer one than the rung's goes in equal parts. Its peak
  /// is without workspaces; those of a CPU's libraries are given, a GPU's are the caller's to know.
  PlannedRung run(const Rung& rung, const RenderSettings& settings, int64_t window_frames,
                  int64_t width, int64_t height);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Frames of the parts that a window of WINDOW_FRAMES is rendered in where MOST are denoised
/// together: as few parts as possible, as equal as possible; the longest one's.
int64_t part_frames(int64_t window_frames, int64_t most);

}  // namespace latentsync::memory
