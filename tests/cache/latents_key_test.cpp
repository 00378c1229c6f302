#include "core/lipsync/latents_key.h"

#include "core/lipsync/result_identity.h"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

at::Tensor values(std::vector<int64_t> sizes, int from) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return at::arange(from, from + count, at::kFloat).view(sizes);
}

diffusion::Conditioning conditioning(int from) {
  return {.mask = values({1, 1, 3, 2, 2}, from),
          .masked_latents = values({1, 4, 3, 2, 2}, from + 1),
          .reference_latents = values({1, 4, 3, 2, 2}, from + 2),
          .audio_embeddings = values({3, 5, 2}, from + 3)};
}

lipsync::FaceSequence sequence(const std::vector<size_t>& frames) {
  lipsync::FaceSequence sequence;
  for (const size_t frame : frames) sequence.faces.push_back({.frame = frame});
  return sequence;
}

// All that goes into a key, each by itself.
struct Ingredients {
  std::string model = "0123", identity = "LibTorch 2";
  ModelInfo info = {.device = "cpu", .precision = "float32", .vae = "full"};
  RenderSettings settings = {
      .inference_steps = 20, .feature_cache = 3, .resolution = 256, .vae_batch = 4};
  Rung rung = {};
  size_t frames = 4;
  std::vector<lipsync::FaceSequence> sequences = {sequence({0, 1, 2}), sequence({1, 2, 3})};
  std::vector<diffusion::Conditioning> conditioning = {test::conditioning(0),
                                                       test::conditioning(100)};

  std::string key() const {
    return lipsync::latents_key({.model = model,
                                 .identity = identity,
                                 .info = info,
                                 .settings = settings,
                                 .rung = rung,
                                 .frames = frames,
                                 .sequences = sequences,
                                 .conditioning = conditioning})
        .text();
  }
};

using Change = std::function<void(Ingredients&)>;

const std::vector<std::pair<const char*, Change>>& changes() {
  static const std::vector<std::pair<const char*, Change>> all = {
      {"model", [](auto& i) { i.model = "0124"; }},
      {"build, libraries, processor", [](auto& i) { i.identity += " "; }},
      {"model and build swapped", [](auto& i) { std::swap(i.model, i.identity); }},
      {"device", [](auto& i) { i.info.device = "cuda:0"; }},
      {"precision", [](auto& i) { i.info.precision = "bfloat16"; }},
      {"vae", [](auto& i) { i.info.vae = "tiny"; }},
      {"seed", [](auto& i) { i.settings.seed = 0; }},
      {"seed, high bits", [](auto& i) { i.settings.seed |= int64_t{1} << 62; }},
      {"guidance", [](auto& i) { i.settings.guidance_scale = 1.5000000000000002; }},
      {"steps", [](auto& i) { i.settings.inference_steps = 21; }},
      {"attention", [](auto& i) { i.settings.attention = Attention::kFlash; }},
      {"attention, other", [](auto& i) { i.settings.attention = Attention::kStandard; }},
      {"feature cache", [](auto& i) { i.settings.feature_cache = 0; }},
      {"resolution", [](auto& i) { i.settings.resolution = 512; }},
      {"rung's chunks", [](auto& i) { i.rung.feed_forward_chunks = 4; }},
      {"rung's scores", [](auto& i) { i.rung.score_bytes = 1 << 20; }},
      {"rung's passes", [](auto& i) { i.rung.two_passes = true; }},
      {"rung's window", [](auto& i) { i.rung.window_frames = 8; }},
      {"frames of the window", [](auto& i) { i.frames = 5; }},
      {"a face's frame", [](auto& i) { i.sequences[1].faces[0].frame = 0; }},
      {"fewer faces", [](auto& i) { i.sequences[0].faces.pop_back(); }},
      {"sequences in another order", [](auto& i) { std::swap(i.sequences[0], i.sequences[1]); }},
      {"conditioning in another order",
       [](auto& i) { std::swap(i.conditioning[0], i.conditioning[1]); }},
      {"one sequence", [](auto& i) { i.sequences.pop_back(), i.conditioning.pop_back(); }},
      {"mask", [](auto& i) { i.conditioning[0].mask[0][0][2][1][1] += 1; }},
      {"masked latents", [](auto& i) { i.conditioning[0].masked_latents[0][3][2][1][1] += 1e-5F; }},
      {"reference latents",
       [](auto& i) { i.conditioning[0].reference_latents[0][0][0][0][0] = 2.0000002F; }},
      {"audio of another length",
       [](auto& i) {
         auto& audio = i.conditioning[0].audio_embeddings;
         audio = audio.narrow(1, 0, 4);
       }},
      {"audio, first sample", [](auto& i) { i.conditioning[0].audio_embeddings[0][0][0] -= 1; }},
      {"masked latents, first value",
       [](auto& i) { i.conditioning[0].masked_latents[0][0][0][0][0] -= 1; }},
      {"audio", [](auto& i) { i.conditioning[0].audio_embeddings[2][4][1] += 1e-5F; }},
      {"mask of the second", [](auto& i) { i.conditioning[1].mask[0][0][0][0][0] += 1; }},
      {"masked latents of the second",
       [](auto& i) { i.conditioning[1].masked_latents[0][0][0][0][0] += 1; }},
      {"reference latents of the second",
       [](auto& i) { i.conditioning[1].reference_latents[0][0][0][0][0] += 1; }},
      {"audio of the second", [](auto& i) { i.conditioning[1].audio_embeddings[0][0][0] += 1; }},
      {"the sign of a zero", [](auto& i) { i.conditioning[0].mask[0][0][0][0][0] = -0.F; }},
      {"latents swapped",
       [](auto& i) {
         std::swap(i.conditioning[0].masked_latents, i.conditioning[0].reference_latents);
       }},
      {"another type",
       [](auto& i) {
         i.conditioning[0].masked_latents = i.conditioning[0].masked_latents.view(at::kInt);
       }},
      {"another shape",
       [](auto& i) {
         i.conditioning[0].masked_latents = i.conditioning[0].masked_latents.view({1, 3, 4, 2, 2});
       }},
      {"transposed",
       [](auto& i) {
         i.conditioning[0].masked_latents = i.conditioning[0].masked_latents.transpose(3, 4);
       }},
  };
  return all;
}

// 40 single changes give 41 keys.
TEST(LatentsKey, EveryChangeIsAnotherKey) {
  std::map<std::string, const char*> keys = {{Ingredients().key(), "no change"}};
  for (const auto& [name, change] : changes()) {
    Ingredients changed;
    change(changed);
    const auto [place, is_new] = keys.emplace(changed.key(), name);
    EXPECT_TRUE(is_new) << name << " and " << place->second;
  }
  EXPECT_GE(keys.size(), 41u);
}

// Equal values are one key, wherever and however they lie; so is what decides nothing but how long
// it takes.
TEST(LatentsKey, EqualValuesAreOneKey) {
  const auto key = Ingredients().key();
  const std::vector<std::pair<const char*, Change>> same = {
      {"nothing", [](auto&) {}},
      {"strides",
       [](auto& i) {
         auto& latents = i.conditioning[0].masked_latents;
         latents = latents.permute({0, 2, 3, 4, 1}).contiguous().permute({0, 4, 1, 2, 3});
       }},
      {"rung's name", [](auto& i) { i.rung.name = "host-networks"; }},
      {"where weights lie", [](auto& i) { i.rung.host_networks = i.rung.streamed_unet = true; }},
      {"frames of the autoencoder at once", [](auto& i) { i.settings.vae_batch = 3; }},
      {"the rung's", [](auto& i) { i.rung.vae_batch = 1; }},
      {"the autoencoder's tiles", [](auto& i) { i.rung.vae_tile = 128; }},
      {"how faces are placed", [](auto& i) { i.sequences[0].faces[0].weight = 0.5; }},
      {"mouths are measured", [](auto& i) { i.settings.measure_mouths = true; }},
  };
  for (const auto& [name, change] : same) {
    Ingredients changed;
    change(changed);
    EXPECT_EQ(changed.key(), key) << name;
  }
}

// The build, LibTorch and the processor have a name, which does not change by itself.
TEST(ResultIdentity, NamesBuildLibrariesAndProcessor) {
  const auto identity = lipsync::result_identity(c10::kCPU);
  EXPECT_EQ(lipsync::result_identity(c10::kCPU), identity);
  for (const char* part : {"engine ", "LibTorch 2.", "PyTorch built with", "flags"}) {
    EXPECT_NE(identity.find(part), std::string::npos) << part << '\n' << identity;
  }
  const auto engine = identity.substr(0, identity.find('\n'));
  EXPECT_GE(engine.size(), std::string("engine 4 ").size() + 32) << engine;
}

}  // namespace
}  // namespace latentsync::test
