#pragma once

#include "core/engine.h"
#include "core/lipsync/face_sequences.h"
#include "core/lipsync/renderer.h"
#include "kernels/paste_back/paste_back.h"

#include <cstddef>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::lipsync {

/// The edited faces on their way into their frames. Only what the mask gives to the model is
/// written: w = soft edge of the crop * the mask's blend * the face's weight. Where two faces
/// overlap, the later sequence lies above.
class Pasting {
 public:
  /// Does all that can fail; frames are not written to. EDITED are the images of each sequence [F,
  /// 3, R, R] in [-1, 1], VIEWS all frames of the window.
  Pasting(std::span<const FaceSequence> sequences, std::span<const at::Tensor> edited,
          const FaceMask& mask, std::span<const kernels::ImageView> views);

  /// Asks writable() once for each edited frame, in order, and writes; in system memory nothing is
  /// allocated. On a device the writes are launched on the current stream, and written() is given
  /// an event behind them. Errors: those of writable(); what the device reports.
  void write(WindowFrames& frames);

 private:
  struct Frame {
    size_t number;
    std::vector<kernels::PreparedPaste> pastes;
  };
  std::vector<Frame> frames_;
};

}  // namespace latentsync::lipsync
