#include "core/diffusion/noise.h"
#include "core/lipsync/commit.h"
#include "core/lipsync/denoise.h"
#include "core/lipsync/prepare.h"
#include "kernels/reference/face_mask.h"
#include "tests/golden/parity_path.h"
#include "tests/support/compare.h"
#include "tests/support/pictures.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using kernels::Affine;

const Tolerance kLatents{.rel_l2 = 1e-4};
const Tolerance kFrames{.max_abs = 2, .psnr = 55};
const Tolerance kFeatures{.max_abs = 1e-4, .rel_l2 = 1e-5};
const Tolerance kTranslation{.max_abs = 2e-3};
const Tolerance kLinear{.max_abs = 1e-5};
const Tolerance kMask{.max_abs = 1.0 / 255};
const Tolerance kHalves{.max_abs = 5e-3};  // stored as halves
const Tolerance kDefaultPath{.psnr = 40};  // other filters, one resampling, rounding

class GoldenPipeline : public testing::Test {
 protected:
  static void SetUpTestSuite() { path_ = std::make_unique<ParityPath>(); }
  static void TearDownTestSuite() { path_.reset(); }

  static const PipelineCase& data() { return path_->data; }

  // Compared where the set has it; whether it has.
  static bool expect(const std::string& name, const at::Tensor& actual, const Tolerance& float32) {
    const auto* expected = data().find(name);
    if (expected == nullptr) return false;
    EXPECT_TRUE(close(actual, *expected, tolerance(float32))) << name;
    return true;
  }

  static inline std::unique_ptr<ParityPath> path_;
};

// Our alignment of the stored meshes gives the reference's points and matrices, smoothing included.
TEST_F(GoldenPipeline, Alignment) {
  const auto matrices = at::empty({data().outputs(), 2, 3}, at::kDouble);
  auto access = matrices.accessor<double, 3>();
  for (int64_t i = 0; i < data().outputs(); ++i) {
    const auto& points = path_->alignment.points[data().sources[i]];
    const auto expected = data().stored("landmarks3")[data().sources[i]].to(at::kDouble);
    for (int64_t k = 0; k < 3; ++k) {
      EXPECT_EQ(points[k].x, expected[k][0].item<double>()) << "frame " << i;
      EXPECT_EQ(points[k].y, expected[k][1].item<double>()) << "frame " << i;
      for (int64_t row = 0; row < 2; ++row) access[i][row][k] = path_->alignment.matrix(i)[row][k];
    }
  }
  const auto expected = data().stored("affine_matrices").narrow(0, 0, data().outputs());
  EXPECT_TRUE(close(matrices.narrow(2, 0, 2), expected.narrow(2, 0, 2), kLinear));
  EXPECT_TRUE(close(matrices.narrow(2, 2, 1), expected.narrow(2, 2, 1), kTranslation));
}

// The audio's feature rows, and what the guided denoiser gets of them.
TEST_F(GoldenPipeline, AudioFeatures) {
  const c10::InferenceMode inference;
  const auto& rows = data().stored("audio_features");
  std::vector<int64_t> times;
  for (int64_t row = 0; row < rows.size(0); ++row) times.push_back(row * audio::kRowDurationNs);
  const auto slices = path_->audio.features(times).unflatten(1, {-1, rows.size(1)});
  expect("audio_features", slices.select(1, audio::kRowsBeforeFrame), kFeatures);
  const auto& conditioned = path_->windows[0].conditioning.audio_embeddings;
  expect("window0.audio_embeds", at::cat({at::zeros_like(conditioned), conditioned}), kFeatures);
}

// The seed's noise is the reference's, so that the engine starts where it starts.
TEST_F(GoldenPipeline, InitialNoise) {
  const auto& expected = data().stored("noise.initial");
  const auto generator = diffusion::make_generator(data().config.at("seed").get<uint64_t>());
  EXPECT_TRUE(
      diffusion::initial_noise(generator, expected.size(1), expected.size(3), expected.size(4))
          .equal(expected));
}

// What the crops are encoded to, and the UNet's input and output in the first step.
TEST_F(GoldenPipeline, WindowInputs) {
  int compared = 0;
  for (size_t i = 0; i < path_->windows.size(); ++i) {
    const auto& window = path_->windows[i];
    const auto name = "window" + std::to_string(i);
    compared += expect(name + ".mask_latents", window.conditioning.mask, kMask);
    compared +=
        expect(name + ".masked_image_latents", window.conditioning.masked_latents, kLatents);
    compared += expect(name + ".ref_latents", window.conditioning.reference_latents, kLatents);
    expect(name + ".unet_in_step0", window.unet_in, kLatents);
    expect(name + ".unet_out_step0", window.unet_out, kLatents);
  }
  EXPECT_GE(compared, 3);
}

// The latents after every stored step and at the end of every window.
TEST_F(GoldenPipeline, Latents) {
  for (size_t i = 0; i < path_->windows.size(); ++i) {
    const auto& latents = path_->windows[i].latents;
    ASSERT_EQ(latents.size(), data().config.at("steps").get<size_t>());
    const auto name = "window" + std::to_string(i) + ".latents_";
    for (size_t step = 0; step < latents.size(); ++step) {
      expect(name + "after_step" + std::to_string(step), latents[step], kLatents);
    }
    EXPECT_TRUE(expect(name + "final", latents.back(), kLatents)) << "not stored";
  }
}

// The decoded crops, and what is pasted: the crop's own pixels outside the mask.
TEST_F(GoldenPipeline, DecodedAndCombined) {
  for (size_t i = 0; i < path_->windows.size(); ++i) {
    expect("window" + std::to_string(i) + ".decoded_frame0",
           path_->windows[i].decoded.narrow(0, 0, 1), kLatents);
  }
  const auto* faces = data().find("faces_before_restore_f16");
  if (faces == nullptr) return;
  const auto& places = data().stored("faces_before_restore_index");
  std::vector<at::Tensor> combined;
  for (const auto& window : path_->windows) combined.push_back(window.combined.cpu());
  const auto all = at::cat(combined);
  EXPECT_TRUE(close(all.index_select(0, places), faces->to(at::kFloat), tolerance(kHalves)));
}

// The whole way: restored frames are the reference's.
TEST_F(GoldenPipeline, RestoredFrames) {
  int compared = 0;
  for (size_t i = 0; i < path_->windows.size(); ++i) {
    const auto range = data().windows[i];
    for (int64_t k = 0; k < range.count; ++k) {
      const auto expected = data().restored(range.first + k);
      if (!expected) continue;
      EXPECT_TRUE(close(path_->windows[i].frames[k], *expected, tolerance(kFrames)))
          << "frame " << range.first + k;
      ++compared;
    }
  }
  EXPECT_GT(compared, 0);
}

// With our own matrices for the stored meshes the frames are the reference's too.
TEST_F(GoldenPipeline, RestoredFramesFromLandmarks) {
  const c10::InferenceMode inference;
  std::vector<Affine> affines;
  for (int64_t i = 0; i < data().outputs(); ++i) affines.push_back(path_->alignment.affine(i));
  const auto window = path_->render(0, affines);
  for (size_t i = 0; i < window.frames.size(); ++i) {
    const auto expected = data().restored(static_cast<int64_t>(i));
    if (!expected) continue;
    EXPECT_TRUE(close(window.frames[i], *expected, tolerance(kFrames))) << "frame " << i;
  }
}

// A window of frames in memory of their own.
class OwnFrames : public WindowFrames {
 public:
  explicit OwnFrames(std::vector<Picture> pictures) : pictures(std::move(pictures)) {}
  size_t count() const override { return pictures.size(); }
  int64_t time_ns(size_t) const override { return 0; }
  Result<kernels::ImageView> readable(size_t frame) override { return pictures[frame].view; }
  Result<kernels::ImageView> writable(size_t frame) override { return pictures[frame].view; }

  std::vector<Picture> pictures;
};

Picture picture_of(const at::Tensor& frame, kernels::PixelFormat format) {
  const auto height = frame.size(0), width = frame.size(1);
  const auto access = frame.accessor<uint8_t, 3>();
  const auto pixel = [&](int64_t x, int64_t y, int64_t channel) {
    return access[std::clamp<int64_t>(y, 0, height - 1)][std::clamp<int64_t>(x, 0, width - 1)]
                 [channel] /
           255.0;
  };
  const auto range = format == kernels::PixelFormat::kRgb ? kernels::ColorRange::kFull
                                                          : kernels::ColorRange::kLimited;
  return paint({.format = format,
                .width = static_cast<int>(width),
                .height = static_cast<int>(height),
                .range = range},
               [&](double x, double y) {
                 const auto left = static_cast<int64_t>(std::floor(x));
                 const auto top = static_cast<int64_t>(std::floor(y));
                 const double across = x - std::floor(x), down = y - std::floor(y);
                 Rgb color;
                 for (int64_t c = 0; c < 3; ++c) {
                   color[c] = (1 - down) * ((1 - across) * pixel(left, top, c) +
                                            across * pixel(left + 1, top, c)) +
                              down * ((1 - across) * pixel(left, top + 1, c) +
                                      across * pixel(left + 1, top + 1, c));
                 }
                 return color;
               });
}

// Pixels that may change: where the crop lies.
at::Tensor outside_of(const at::Tensor& frame, const Affine& crop_to_frame, int64_t resolution) {
  const auto inside = kernels::inverse(crop_to_frame);
  const auto edge = static_cast<double>(resolution);
  auto outside = at::empty({frame.size(0), frame.size(1), 1}, at::kBool);
  auto access = outside.accessor<bool, 3>();
  for (int64_t y = 0; y < frame.size(0); ++y) {
    for (int64_t x = 0; x < frame.size(1); ++x) {
      const auto fx = static_cast<double>(x), fy = static_cast<double>(y);
      const double u = inside.xx * fx + inside.xy * fy + inside.x0;
      const double v = inside.yx * fx + inside.yy * fy + inside.y0;
      access[y][x][0] = u < -1 || v < -1 || u > edge || v > edge;
    }
  }
  return outside;
}

// The engine's own path with the reference's places and noise: the frames' samples straight to
// crops, in RGB and subsampled. What it generates, restored as the reference restores, is near the
// reference's frames; its own pasting leaves alone all that lies outside the crop.
TEST_F(GoldenPipeline, DefaultPathIsNearTheReference) {
  const c10::InferenceMode inference;
  const auto& networks = path_->networks;
  const auto range = data().windows[0];
  const RenderSettings settings{.seed = data().config.at("seed"),
                                .guidance_scale = data().config.at("guidance_scale"),
                                .inference_steps = data().config.at("steps"),
                                .attention = Attention::kFlash,
                                .feature_cache = 0,
                                .resolution = data().resolution(),
                                .vae_batch = 4};
  const auto mask = lipsync::FaceMask::make(data().resolution(), networks.device);
  lipsync::FaceSequence sequence;
  for (int64_t i = 0; i < range.count; ++i) {
    sequence.faces.push_back(
        {static_cast<size_t>(i),
         lipsync::crop_map(path_->alignment.matrix(range.first + i), data().resolution()), 1});
  }
  for (const auto format : {kernels::PixelFormat::kRgb, kernels::PixelFormat::kNv12}) {
    std::vector<Picture> pictures;
    for (int64_t i = 0; i < range.count; ++i) {
      pictures.push_back(picture_of(data().frame(range.first + i), format));
    }
    OwnFrames frames(pictures);
    std::vector<kernels::ImageView> views;
    for (auto& picture : frames.pictures) {
      picture = picture.to(at::kCPU);
      views.push_back(picture.view);
    }
    StageSeconds seconds;
    lipsync::DeviceShare share(networks.device, {.plan = {.ladder = {{}}, .chosen = 0}});
    const lipsync::DeviceWork device(share, {}, {});
    lipsync::WindowProgress progress(networks.info.vae, settings, {});
    const lipsync::WindowContext context{.networks = networks,
                                         .settings = settings,
                                         .mask = mask,
                                         .device = device,
                                         .progress = progress,
                                         .seconds = seconds,
                                         .posterior_noise = path_->posterior_noise(0)};
    progress.faces_found({&sequence, 1});
    const auto conditioning = lipsync::encode_faces(
        context, {&sequence, 1}, lipsync::FramesInReach(views), path_->features(range));
    const auto latents =
        lipsync::denoise_faces(context, {&sequence, 1}, conditioning, views.size());
    const auto edited = lipsync::decode_faces(context, latents, networks.device);
    const auto crops = lipsync::take_crops(sequence, views, data().resolution(), networks.device);
    const auto combined = kernels::combine(edited[0], crops, mask.keep);
    lipsync::Pasting({&sequence, 1}, edited, mask, views).write(frames);
    for (int64_t i = 0; i < range.count; ++i) {
      const int64_t output = range.first + i;
      const auto expected = data().restored(output);
      if (!expected) continue;
      const auto restored =
          kernels::reference_restore(data().frame(output).to(networks.device), combined[i],
                                     path_->affines[output], path_->size);
      EXPECT_TRUE(close(restored.cpu(), *expected, kDefaultPath))
          << "format " << static_cast<int>(format) << ", frame " << output;
      if (format != kernels::PixelFormat::kRgb) continue;
      const auto pixels = frames.pictures[i].view.planes[0];
      auto actual = at::empty_like(data().frame(output));
      for (int64_t y = 0; y < actual.size(0); ++y) {
        std::copy_n(pixels.data + y * pixels.stride, actual[y].numel(),
                    actual[y].mutable_data_ptr<uint8_t>());
      }
      EXPECT_FALSE(actual.equal(data().frame(output))) << "nothing was pasted";
      const auto outside = outside_of(actual, sequence.faces[i].crop_to_frame, data().resolution());
      EXPECT_TRUE((actual * outside).equal(data().frame(output) * outside)) << "frame " << output;
    }
  }
}

}  // namespace
}  // namespace latentsync::test
