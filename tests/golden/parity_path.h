#pragma once

#include "core/audio/whole_audio.h"
#include "core/face/alignment.h"
#include "core/lipsync/networks.h"
#include "core/lipsync/renderer.h"
#include "core/model/tensor_file.h"
#include "kernels/reference/align_restore.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

/// The reference's way from frames and audio to frames, through the engine's own networks.
namespace latentsync::test {

/// The golden pipeline's data: what goes in, and what the reference made of it.
class PipelineCase {
 public:
  PipelineCase();

  struct Range {
    int64_t first, count;
  };

  const at::Tensor& stored(const std::string& name) const { return file.tensors.at(name); }
  /// Null where the set does not have it.
  const at::Tensor* find(const std::string& name) const;
  static std::filesystem::path path(const std::string& name);
  const at::Tensor& frame(int64_t output) const { return frames.at(sources[output]); }
  int64_t outputs() const { return static_cast<int64_t>(sources.size()); }
  int64_t resolution() const { return config.at("resolution"); }
  int64_t time_ns(int64_t output) const;
  /// The reference's restored frame, where the set has it.
  std::optional<at::Tensor> restored(int64_t output) const;

  model::TensorFile file;
  nlohmann::json config;
  std::vector<Range> windows;
  std::vector<int64_t> sources;          ///< of the output frames
  std::map<int64_t, at::Tensor> frames;  ///< uint8 [H, W, 3]
};

/// The points of every input frame and the matrices that our alignment makes of them, in the order
/// of the clip; output frames that show a frame again take its matrix again.
struct OwnAlignment {
  explicit OwnAlignment(const PipelineCase& data);

  const face::AffineMatrix& matrix(int64_t output) const { return matrices[sources[output]]; }
  kernels::Affine affine(int64_t output) const;

  std::vector<int64_t> sources;  ///< of the output frames
  std::vector<face::AlignmentPoints> points;
  std::vector<face::AffineMatrix> matrices;
};

struct RenderedWindow {
  diffusion::Conditioning conditioning;
  at::Tensor unet_in, unet_out;     ///< of step 0
  std::vector<at::Tensor> latents;  ///< after each step
  at::Tensor decoded, combined;     ///< [F, 3, R, R]
  std::vector<at::Tensor> frames;   ///< uint8 [H, W, 3]
};

/// Everything, with the reference's alignment and restoring, and its noise for the posterior.
class ParityPath {
 public:
  /// Renders all windows.
  ParityPath();

  RenderedWindow render(size_t index, const std::vector<kernels::Affine>& frame_to_aligned);
  at::Tensor features(const PipelineCase::Range& range);
  lipsync::PosteriorNoise posterior_noise(size_t window) const;

  PipelineCase data;
  lipsync::Networks networks;
  OwnAlignment alignment;
  kernels::AlignedSize size;
  audio::WholeAudio audio;
  std::vector<kernels::Affine> affines;  ///< the reference's
  std::vector<RenderedWindow> windows;

 private:
  at::Tensor crop(int64_t output, const kernels::Affine& frame_to_aligned) const;
};

}  // namespace latentsync::test
