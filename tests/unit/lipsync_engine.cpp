#include "tests/unit/lipsync_engine.h"

#include "tests/support/golden.h"
#include "tests/support/models_dir.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

constexpr int kEdge = 192;

std::vector<float> make_audio() {
  std::vector<float> samples(16000);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = 0.3F * std::sin(static_cast<float>(i * i % 4096) * 0.01F);
  }
  return samples;
}

}  // namespace

bool TestFrames::equals(const TestFrames& other) const {
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (!pictures[i].bytes.equal(other.pictures[i].bytes)) return false;
  }
  return true;
}

TestFrames make_frames(const std::vector<bool>& has_face) {
  static const at::Tensor face =
      at::upsample_bilinear2d(
          (golden("facenets/facenets.safetensors")
                   .tensors.at("face_detection_full_range_sparse.frame012_crop.input")
                   .permute({0, 3, 1, 2}) /
               2 +
           0.5),
          {kEdge, kEdge}, false)[0]
          .contiguous();
  const auto pixels = face.accessor<float, 3>();
  std::vector<Picture> pictures;
  for (size_t i = 0; i < has_face.size(); ++i) {
    pictures.push_back(
        paint({kernels::PixelFormat::kNv12, kEdge, kEdge}, [&](double x, double y) -> Rgb {
          if (!has_face[i]) return {0, 0, 0};
          const auto column =
              std::clamp<int64_t>(std::lround(x) + static_cast<int64_t>(i % 3), 0, kEdge - 1);
          const auto row = std::clamp<int64_t>(std::lround(y), 0, kEdge - 1);
          return {pixels[0][row][column], pixels[1][row][column], pixels[2][row][column]};
        }));
  }
  return TestFrames(std::move(pictures));
}

LipsyncEngine::LipsyncEngine() : audio_(make_audio()) {}

void LipsyncEngine::SetUpTestSuite() {
  folder_ = std::make_unique<GoldenModelFolder>(nlohmann::json{
      {"name", "tiny"}, {"resolution", 128}, {"inference_steps", 4}, {"feature_cache", 2}});
}

ModelSettings LipsyncEngine::settings() {
  return {.folder = folder_->path(),
          .face_folder = (test::models_dir() / "face").string(),
          .device = "cpu"};
}

std::shared_ptr<Model> LipsyncEngine::load() {
  auto model = engine().load(settings());
  EXPECT_TRUE(model) << (model ? "" : model.failure().message + model.failure().detail);
  return model ? *model : nullptr;
}

std::unique_ptr<Session> LipsyncEngine::open(Model& model) {
  return std::move(*model.open(AudioContext::kSliding, 500'000'000));
}

Result<WindowResult> LipsyncEngine::render(Session& session, TestFrames& frames,
                                           RenderSettings settings, std::stop_token stop,
                                           const RenderProgressCallback& progress) {
  return session.render({.frames = &frames, .audio = audio_}, settings, stop, progress);
}

void LipsyncEngine::expect_failure(const ModelSettings& settings, ErrorCode code,
                                   const std::string& mentions) {
  const auto model = engine().load(settings);
  ASSERT_FALSE(model);
  EXPECT_EQ(static_cast<int>(model.failure().code), static_cast<int>(code))
      << model.failure().message;
  EXPECT_NE(model.failure().message.find(mentions), std::string::npos) << model.failure().message;
}

}  // namespace latentsync::test
