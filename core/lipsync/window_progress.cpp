#include "core/lipsync/window_progress.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace latentsync::lipsync {
namespace {

// Of a window's work, roughly.
constexpr double kFacePart = 0.03;
constexpr double kPasteBegins = 0.99;

// What the stages of the published networks cost, in multiplications of a frame.
constexpr double kWholeEvaluation = 0.253;
constexpr double kCachedEvaluation = 0.016;

// One step in so many evaluates the whole network, the others its last layer.
double denoising_work(const RenderSettings& settings) {
  const auto steps = static_cast<double>(settings.inference_steps);
  const auto interval = static_cast<double>(std::max<int64_t>(settings.feature_cache, 1));
  const double whole = std::ceil(steps / interval);
  return (settings.guidance_scale > 1 ? 2 : 1) *
         (kWholeEvaluation * whole + kCachedEvaluation * (steps - whole));
}

}  // namespace

WindowProgress::WindowProgress(const std::string& vae, const RenderSettings& settings,
                               RenderProgressCallback callback)
    : callback_(std::move(callback)),
      encode_(vae == "full" ? 0.55 : 0.03),
      denoise_(denoising_work(settings)),
      decode_(vae == "full" ? 0.62 : 0.04) {}

double WindowProgress::before(size_t face) const {
  return std::accumulate(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(face), 0.0);
}

void WindowProgress::faces_found(std::span<const FaceSequence> faces) {
  frames_.clear();
  for (const auto& face : faces) frames_.push_back(static_cast<double>(face.faces.size()));
  all_frames_ = before(frames_.size());
  tell({.part = kFacePart, .stage = "face"});
}

void WindowProgress::encoded(size_t face, int64_t done, int64_t batches) {
  const double part = static_cast<double>(done) / static_cast<double>(batches);
  report("encode", encode_ * (before(face) + frames_[face] * part), done, batches);
}

void WindowProgress::denoised(size_t face, int64_t done, int64_t steps) {
  const double part = static_cast<double>(done) / static_cast<double>(steps);
  report("denoise", encode_ * all_frames_ + denoise_ * (before(face) + frames_[face] * part), done,
         steps);
}

void WindowProgress::decoded(size_t face, int64_t done, int64_t batches) {
  const double part = static_cast<double>(done) / static_cast<double>(batches);
  report("decode",
         (encode_ + denoise_) * all_frames_ + decode_ * (before(face) + frames_[face] * part), done,
         batches);
}

void WindowProgress::pasted() { tell({.part = 1, .stage = "paste"}); }

void WindowProgress::report(const char* stage, double work, int64_t done, int64_t steps) {
  const double whole = (encode_ + denoise_ + decode_) * all_frames_;
  const double part = std::min(1.0, work / whole);
  tell({.part = kFacePart + (kPasteBegins - kFacePart) * part,
        .stage = stage,
        .step = done,
        .steps = steps});
}

void WindowProgress::tell(RenderProgress progress) {
  if (!callback_) return;
  last_ = std::max(last_, progress.part);
  progress.part = last_;
  callback_(progress);
}

}  // namespace latentsync::lipsync
