#pragma once

#include "core/engine.h"
#include "core/lipsync/face_sequences.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace latentsync::lipsync {

/// How far a window is, from the work that its stages are: faces are found, all of them are
/// encoded, denoised, decoded and pasted, one stage after the other. What is reported never goes
/// back, also where a stage is done again.
class WindowProgress {
 public:
  /// VAE: "full" or "tiny"; SETTINGS are resolved. Without a CALLBACK nothing is reported.
  WindowProgress(const std::string& vae, const RenderSettings& settings,
                 RenderProgressCallback callback);

  /// Those that are edited; numbers of faces below are their places.
  void faces_found(std::span<const FaceSequence> faces);
  /// Nothing has to be denoised.
  void latents_found() { denoise_ = 0; }
  void encoded(size_t face, int64_t done, int64_t batches);
  /// STEPS of all the parts that are denoised one after the other.
  void denoised(size_t face, int64_t done, int64_t steps);
  void decoded(size_t face, int64_t done, int64_t batches);
  void pasted();

 private:
  double before(size_t face) const;
  void report(const char* stage, double work, int64_t done, int64_t steps);
  void tell(RenderProgress progress);

  RenderProgressCallback callback_;
  double encode_, denoise_, decode_;  // work of a frame
  std::vector<double> frames_;
  double all_frames_ = 0;
  double last_ = 0;
};

}  // namespace latentsync::lipsync
