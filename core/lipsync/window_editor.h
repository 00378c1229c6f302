#pragma once

#include "core/engine.h"
#include "core/lipsync/face_sequences.h"
#include "core/lipsync/networks.h"
#include "core/lipsync/renderer.h"
#include "kernels/paste_back/paste_back.h"

#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::lipsync {

/// What a window is rendered with and under.
struct EditContext {
  const Networks& networks;
  const RenderSettings& settings;  ///< resolved
  const FaceMask& mask;            ///< of settings.resolution, on the networks' device
  std::stop_token stop;
  RenderProgressCallback progress;      ///< may be empty; its part is that of the editing
  StageSeconds& seconds;                ///< what is spent is added
  PosteriorNoise posterior_noise = {};  ///< for one sequence; undefined: the mean
};

/// The crops of a face, float32 [F, 3, R, R] in [-1, 1] on DEVICE, straight from frames of any
/// format. VIEWS are all frames of the window.
at::Tensor take_crops(const FaceSequence& sequence, std::span<const kernels::ImageView> views,
                      int64_t resolution, c10::Device device);

/// Generates the mouths of all sequences: for each one [F, 3, R, R] like its crops. AUDIO [N,
/// tokens, features] for the frames of the window, and behind them, where there are any, for the
/// fields that are shown second. Frames are only read. Errors: kCancelled, those of the networks.
std::vector<at::Tensor> edit_faces(const EditContext& context,
                                   std::span<const FaceSequence> sequences,
                                   std::span<const kernels::ImageView> views,
                                   const at::Tensor& audio);

/// The edited faces on their way into their frames. Only what the mask gives to the model is
/// written: w = soft edge of the crop * the mask's blend * the face's weight. Where two faces
/// overlap, the later sequence lies above.
class Pasting {
 public:
  /// Does all that can fail; frames are not written to. EDITED as edit_faces() gives it, VIEWS are
  /// all frames of the window.
  Pasting(std::span<const FaceSequence> sequences, std::span<const at::Tensor> edited,
          const FaceMask& mask, std::span<const kernels::ImageView> views);

  /// Asks writable() once for each edited frame, in order, and writes; in system memory nothing is
  /// allocated. Errors: those of writable().
  void write(WindowFrames& frames);

 private:
  struct Frame {
    size_t number;
    std::vector<kernels::PreparedPaste> pastes;
  };
  std::vector<Frame> frames_;
};

}  // namespace latentsync::lipsync
