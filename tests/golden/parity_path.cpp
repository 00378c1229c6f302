#include "tests/golden/parity_path.h"

#include "kernels/reference/face_mask.h"
#include "kernels/reference/lanczos4.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/model_folders.h"
#include "tests/support/models_dir.h"
#include "tests/support/png.h"
#include "tests/support/wav.h"

#include <algorithm>
#include <fstream>

#include <ATen/ops/stack.h>
#include <c10/core/InferenceMode.h>

namespace latentsync::test {
namespace {

using kernels::Affine;

std::string numbered(const std::string& folder, int64_t number) {
  const auto digits = std::to_string(number);
  return folder + "/" + std::string(3 - std::min<size_t>(3, digits.size()), '0') + digits + ".png";
}

// The golden networks, loaded as the engine loads a model.
lipsync::Networks load_networks(const PipelineCase& data) {
  const GoldenModelFolder folder({{"resolution", data.config.at("resolution")},
                                  {"inference_steps", data.config.at("steps")},
                                  {"num_frames", data.config.at("num_frames")}});
  const std::map<at::ScalarType, Precision> precisions = {{at::kFloat, Precision::kFloat32},
                                                          {at::kHalf, Precision::kFloat16},
                                                          {at::kBFloat16, Precision::kBfloat16}};
  return lipsync::load_networks(
      lipsync::find_source({.folder = folder.path(),
                            .face_folder = (test::models_dir() / "face").string(),
                            .device = test_device().str(),
                            .precision = precisions.at(test_precision())}),
      {}, {});
}

// A predictor that keeps what went through it first.
class Recorder : public diffusion::NoisePredictor {
 public:
  explicit Recorder(diffusion::NoisePredictor& predictor) : predictor_(predictor) {}

  nn::RunConstants prepare(at::IntArrayRef timesteps, const at::Tensor& audio,
                           int64_t batch) override {
    return predictor_.prepare(timesteps, audio, batch);
  }

  at::Tensor predict(const at::Tensor& sample, const nn::RunConstants& constants, int64_t step,
                     bool conditioned, nn::CacheUse use, nn::FeatureCache& cache) override {
    const bool is_first = !input.defined();
    if (is_first) input = sample.clone();
    const auto noise = predictor_.predict(sample, constants, step, conditioned, use, cache);
    if (is_first) output = noise.clone();
    return noise;
  }

  at::Tensor input, output;

 private:
  diffusion::NoisePredictor& predictor_;
};

}  // namespace

PipelineCase::PipelineCase() : file(golden("pipeline/pipeline.safetensors")) {
  std::ifstream stream(golden_dir() / "pipeline/config.json");
  config = nlohmann::json::parse(stream);
  int64_t first = 0;
  for (const int64_t count : config.at("windows")) {
    windows.push_back({first, count});
    first += count;
  }
  for (int64_t i = 0; i < first; ++i) {
    const int64_t source = stored("source_frame_of_output")[i].item<int64_t>();
    sources.push_back(source);
    if (!frames.contains(source)) frames[source] = read_png(path(numbered("in", source)));
  }
}

const at::Tensor* PipelineCase::find(const std::string& name) const {
  const auto found = file.tensors.find(name);
  return found == file.tensors.end() ? nullptr : &found->second;
}

std::filesystem::path PipelineCase::path(const std::string& name) {
  return golden_dir() / "pipeline" / name;
}

int64_t PipelineCase::time_ns(int64_t output) const {
  return static_cast<int64_t>(static_cast<double>(output) * 1e9 / config.at("fps").get<double>());
}

std::optional<at::Tensor> PipelineCase::restored(int64_t output) const {
  const auto file_path = path(numbered("out", output));
  if (!std::filesystem::exists(file_path)) return std::nullopt;
  return read_png(file_path);
}

OwnAlignment::OwnAlignment(const PipelineCase& data) : sources(data.sources) {
  face::AlignmentState state;
  const auto& meshes = data.stored("landmarks_478_px");
  for (int64_t i = 0; i < meshes.size(0); ++i) {
    const auto mesh = meshes[i].to(at::kDouble);
    const auto access = mesh.accessor<double, 2>();
    face::FaceLandmarks landmarks;
    for (size_t k = 0; k < landmarks.points.size(); ++k) {
      const auto row = static_cast<int64_t>(k);
      landmarks.points[k] = {access[row][0], access[row][1], 0};
    }
    points.push_back(face::alignment_points(landmarks));
    matrices.push_back(face::align(points.back(), data.resolution(), &state).value());
  }
}

Affine OwnAlignment::affine(int64_t output) const {
  const auto& m = matrix(output);
  return {m[0][0], m[0][1], m[0][2], m[1][0], m[1][1], m[1][2]};
}

ParityPath::ParityPath()
    : networks(load_networks(data)),
      alignment(data),
      size(kernels::reference_aligned_size(data.resolution())),
      audio(networks.whisper, audio::WholeMode::kReference) {
  const c10::InferenceMode inference;
  audio.append(to_float(read_wav(PipelineCase::path("audio.wav"))));
  audio.finish();
  const auto matrices = data.stored("affine_matrices").to(at::kDouble);
  const auto m = matrices.accessor<double, 3>();
  for (int64_t i = 0; i < data.outputs(); ++i) {
    affines.push_back({m[i][0][0], m[i][0][1], m[i][0][2], m[i][1][0], m[i][1][1], m[i][1][2]});
  }
  for (size_t i = 0; i < data.windows.size(); ++i) windows.push_back(render(i, affines));
}

at::Tensor ParityPath::features(const PipelineCase::Range& range) {
  std::vector<int64_t> times;
  for (int64_t i = 0; i < range.count; ++i) times.push_back(data.time_ns(range.first + i));
  return audio.features(times);
}

lipsync::PosteriorNoise ParityPath::posterior_noise(size_t window) const {
  const auto name = "noise.window" + std::to_string(window);
  return {data.stored(name + ".masked"), data.stored(name + ".ref")};
}

at::Tensor ParityPath::crop(int64_t output, const Affine& frame_to_aligned) const {
  const auto aligned =
      kernels::reference_align(data.frame(output).to(networks.device), frame_to_aligned, size);
  const auto face = kernels::resize_lanczos4(aligned.cpu(), data.resolution(), data.resolution());
  return kernels::pixel_values(face).permute({2, 0, 1}).to(networks.device);
}

RenderedWindow ParityPath::render(size_t index, const std::vector<Affine>& frame_to_aligned) {
  const auto range = data.windows[index];
  std::vector<at::Tensor> faces;
  for (int64_t i = 0; i < range.count; ++i) {
    const int64_t output = range.first + i;
    faces.push_back(crop(output, frame_to_aligned[output]));
  }
  const auto crops = at::stack(faces);
  const auto mask = lipsync::FaceMask::make(data.resolution(), networks.device);
  const lipsync::Renderer renderer(*networks.vae, networks.dtype, {});
  RenderedWindow window;
  window.conditioning = renderer.encode(crops, mask, features(range), posterior_noise(index));

  diffusion::NetworkPredictor unet(*networks.unet, nn::AttentionMode::kFlash);
  Recorder recorder(unet);
  const diffusion::DdimScheduler scheduler(networks.info.inference_steps, networks.scheduler);
  const diffusion::DenoiseOptions options{.guidance_scale =
                                              data.config.at("guidance_scale").get<double>()};
  renderer.denoise(
      recorder, scheduler, options, data.stored("noise.initial"), window.conditioning,
      [&](int64_t, int64_t, const at::Tensor& latents) { window.latents.push_back(latents); });
  window.unet_in = recorder.input;
  window.unet_out = recorder.output;
  window.decoded = renderer.decode(window.latents.back());
  window.combined = kernels::combine(window.decoded, crops, mask.keep);
  for (int64_t i = 0; i < range.count; ++i) {
    const int64_t output = range.first + i;
    window.frames.push_back(kernels::reference_restore(data.frame(output).to(networks.device),
                                                       window.combined[i], frame_to_aligned[output],
                                                       size)
                                .cpu());
  }
  return window;
}

}  // namespace latentsync::test
