#include "examples/train/render.h"

#include <algorithm>
#include <chrono>

extern "C" latentsync::Engine* latentsync_engine(int version);

namespace latentsync::train {
namespace {

constexpr int64_t kWindow = 16;
constexpr int64_t kFrameNs = 40'000'000;
constexpr int64_t kLookaheadNs = 500'000'000;

template <typename T>
T checked(Result<T> result) {
  if (!result)
    throw Error(result.failure().code, result.failure().message, result.failure().detail);
  return std::move(*result);
}

void check(const std::optional<Failure>& failure) {
  if (failure) throw Error(failure->code, failure->message, failure->detail);
}

// Frames of a tensor that is edited in place.
class TensorFrames : public WindowFrames {
 public:
  TensorFrames(at::Tensor frames, int64_t first, int64_t count)
      : frames_(std::move(frames)), first_(first), count_(count) {}

  size_t count() const override { return static_cast<size_t>(count_); }
  int64_t time_ns(size_t frame) const override {
    return (first_ + static_cast<int64_t>(frame)) * kFrameNs;
  }
  Result<kernels::ImageView> readable(size_t frame) override { return view(frame); }
  Result<kernels::ImageView> writable(size_t frame) override { return view(frame); }

 private:
  kernels::ImageView view(size_t frame) {
    return view_of(frames_, first_ + static_cast<int64_t>(frame));
  }

  at::Tensor frames_;
  int64_t first_, count_;
};

}  // namespace

kernels::ImageView view_of(const at::Tensor& frames, int64_t frame) {
  kernels::ImageView view;
  view.format = kernels::PixelFormat::kRgb;
  view.range = kernels::ColorRange::kFull;
  view.width = static_cast<int>(frames.size(2));
  view.height = static_cast<int>(frames.size(1));
  view.planes[0] = {frames.mutable_data_ptr<uint8_t>() + frame * frames.stride(0),
                    frames.stride(1)};
  return view;
}

ClipRenderer::ClipRenderer(const ModelSettings& settings) {
  Engine* engine = latentsync_engine(kEngineVersion);
  if (engine == nullptr) throw Error(ErrorCode::kInternal, "the engine is of another version");
  model_ = checked(engine->load(settings));
}

RenderSettings ClipRenderer::resolved(const RenderSettings& settings) const {
  return checked(model_->resolve(settings));
}

at::Tensor ClipRenderer::render(const at::Tensor& frames, const at::Tensor& sound,
                                const RenderSettings& settings) {
  const auto start = std::chrono::steady_clock::now();
  auto edited = frames.clone(at::MemoryFormat::Contiguous);
  const auto samples = sound.contiguous();
  auto session = checked(model_->open(AudioContext::kWhole, kLookaheadNs));
  check(session->append_audio(
      {samples.const_data_ptr<float>(), static_cast<size_t>(samples.size(0))}));
  check(session->finish_audio());
  const auto whole_settings = resolved(settings);
  for (int64_t begin = 0; begin < edited.size(0); begin += kWindow) {
    TensorFrames window(edited, begin, std::min(kWindow, edited.size(0) - begin));
    checked(session->render({.frames = &window, .discontinuity = begin == 0}, whole_settings));
  }
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  frames_ += edited.size(0);
  return edited;
}

}  // namespace latentsync::train
