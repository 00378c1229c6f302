#include "core/lipsync/model.h"
#include "core/model/tensor_file.h"
#include "tests/support/golden.h"
#include "tests/support/pt_writer.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/lipsync_engine.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

const nlohmann::json kQuick = {{"resolution", 128}, {"inference_steps", 1}, {"feature_cache", 0}};

// A new file of the same contents in PATH's place, by renaming.
void replace(const fs::path& path) {
  const fs::path next = path.string() + ".next";
  fs::copy_file(path, next);
  fs::rename(next, path);
}

// A file that was replaced by renaming is seen by the next load, whichever it is of those that are
// read; what nobody replaced is shared.
TEST_F(LipsyncEngine, LoadsReplacedFilesAnew) {
  const GoldenModelFolder model_folder(kQuick);
  const TemporaryFolder faces;
  auto wanted = settings();
  fs::copy(wanted.face_folder, faces.path(), fs::copy_options::recursive);
  wanted.folder = model_folder.path();
  wanted.face_folder = faces.path().string();
  const fs::path folder = model_folder.path();
  std::vector<std::shared_ptr<Model>> models;
  const auto load_next = [&] {
    auto model = engine().load(wanted);
    ASSERT_TRUE(model) << model.failure().message;
    models.push_back(std::move(*model));
  };
  load_next();
  for (const auto& file :
       {folder / "latentsync_unet.safetensors", folder / "whisper/tiny.safetensors",
        folder / "vae/vae_tiny.safetensors", folder / "config.json",
        faces / "face_landmark.safetensors", faces / "face_detection_short_range.safetensors",
        faces / "face_detection_full_range_sparse.safetensors"}) {
    replace(file);
    load_next();
    load_next();
    ASSERT_FALSE(HasFatalFailure());
    const auto count = models.size();
    EXPECT_NE(models[count - 3], models[count - 2]) << file << " was replaced";
    EXPECT_EQ(models[count - 2], models[count - 1]) << file << " was not replaced again";
  }
}

// Sessions keep the model that they were opened with while the next load gets the new weights.
TEST_F(LipsyncEngine, SessionsKeepTheirModelWhenItsFilesAreReplaced) {
  const GoldenModelFolder model_folder(kQuick);
  auto wanted = settings();
  wanted.folder = model_folder.path();
  const std::vector<bool> faces(2, true);
  auto first = engine().load(wanted);
  ASSERT_TRUE(first) << first.failure().message;
  auto expected = make_frames(faces);
  ASSERT_TRUE(render(*open(**first), expected));
  const auto session = open(**first);

  auto weights = golden_weights("unet", "unet_tiny");
  weights.at("conv_out.weight").mul_(0.5);
  const fs::path unet = fs::path(model_folder.path()) / "latentsync_unet.safetensors";
  write_safetensors(unet.string() + ".next", weights);
  fs::rename(unet.string() + ".next", unet);
  const auto second = engine().load(wanted);
  ASSERT_TRUE(second) << second.failure().message;

  auto of_old = make_frames(faces), of_new = make_frames(faces);
  ASSERT_TRUE(render(*session, of_old));
  ASSERT_TRUE(render(*open(**second), of_new));
  EXPECT_TRUE(of_old.equals(expected));
  EXPECT_FALSE(of_new.equals(expected));
}

// A model's hash is that of the contents of its files: equal for a copy in another folder, another
// one for other weights or another config.json, none for a model whose files were replaced.
TEST_F(LipsyncEngine, ModelsHaveAContentHash) {
  const auto hash_of = [&](const std::shared_ptr<Model>& model) {
    return std::static_pointer_cast<lipsync::LoadedModel>(model)->content_hash();
  };
  const GoldenModelFolder first(kQuick), copy(kQuick),
      other({{"resolution", 128}, {"inference_steps", 2}});
  auto wanted = settings();
  std::vector<std::shared_ptr<Model>> models;
  for (const auto* folder : {&first, &copy, &other}) {
    wanted.folder = folder->path();
    const auto model = engine().load(wanted);
    ASSERT_TRUE(model) << model.failure().message;
    models.push_back(*model);
  }
  const auto hash = hash_of(models[0]);
  ASSERT_TRUE(hash);
  EXPECT_EQ(hash->size(), 64u);
  EXPECT_EQ(hash_of(models[1]), hash);
  EXPECT_NE(hash_of(models[2]), hash);
  EXPECT_EQ(hash_of(models[0]), hash) << "asked again";
  wanted.folder = first.path();
  replace(fs::path(first.path()) / "latentsync_unet.safetensors");
  const auto anew = engine().load(wanted);
  ASSERT_TRUE(anew);
  EXPECT_EQ(hash_of(*anew), hash);
  replace(fs::path(first.path()) / "latentsync_unet.safetensors");
  replace(fs::path(first.path()) / "config.json");
  const auto last = engine().load(wanted);
  ASSERT_TRUE(last);
  replace(fs::path(first.path()) / "config.json");
  EXPECT_EQ(hash_of(*last), std::nullopt);
}

// What stands behind the audio in a block is the model's own, in sessions of both kinds: the fill
// changes what a window within the audio looks like.
TEST_F(LipsyncEngine, FillsBlocksAsTheModelSays) {
  const GoldenModelFolder zeros(kQuick);
  auto config = kQuick;
  config["audio_block_fill"] = "silence";
  const GoldenModelFolder silence(config);
  const std::vector<bool> faces(1, true);
  for (const auto context : {AudioContext::kSliding, AudioContext::kWhole}) {
    std::vector<TestFrames> results;
    for (const auto* folder : {&zeros, &silence}) {
      auto wanted = settings();
      wanted.folder = folder->path();
      const auto model = engine().load(wanted);
      ASSERT_TRUE(model) << model.failure().message;
      const auto session = std::move(*(*model)->open(context, 500'000'000));
      // Less than the look-ahead: the audio has ended.
      const auto audio = std::span(audio_).first(4000);
      if (context == AudioContext::kWhole) {
        ASSERT_FALSE(session->append_audio(audio));
        ASSERT_FALSE(session->finish_audio());
      }
      results.push_back(make_frames(faces));
      const auto result = session->render({.frames = &results.back(), .audio = audio}, {});
      ASSERT_TRUE(result) << result.failure().message;
    }
    EXPECT_FALSE(results[0].equals(results[1])) << static_cast<int>(context);
  }
}

// The files of FOLDER as they are published: .pt files, the UNet's weights beside their training
// step, the audio encoder's beside its dimensions, a SyncNet that is not read, no config.json.
// EXTRA lies among the UNet's weights.
void lay_out_as_published(const fs::path& folder, const model::TensorMap& extra = {}) {
  auto unet = golden_weights("unet", "unet_tiny");
  unet.insert(extra.begin(), extra.end());
  write_torch_file(folder / "latentsync_unet.pt", unet,
                   {.state_key = "state_dict", .integers = {{"global_step", 123}}});
  auto whisper = model::open_tensor_file(folder / "whisper/tiny.safetensors").tensors;
  whisper["decoder.positional_embedding"] = at::ones({4, 48});
  write_torch_file(folder / "whisper/tiny.pt", whisper,
                   {.state_key = "model_state_dict",
                    .integers = {{"dims.n_mels", 80},
                                 {"dims.n_audio_ctx", 1500},
                                 {"dims.n_audio_state", 48},
                                 {"dims.n_audio_head", 3},
                                 {"dims.n_audio_layer", 2},
                                 {"dims.n_vocab", 32}}});
  write_torch_file(folder / "stable_syncnet.pt", {{"audio_encoder.weight", at::ones({1})}},
                   {.state_key = "state_dict", .integers = {{"global_step", 7}}});
  for (const char* name :
       {"latentsync_unet.safetensors", "whisper/tiny.safetensors", "config.json"}) {
    fs::remove(folder / name);
  }
}

// A folder as the published checkpoints have it loads. What it is run with where nothing says for
// which resolution it was trained is one warning, with the setting for LatentSync 1.5.
TEST_F(LipsyncEngine, LoadsThePublishedLayout) {
  const GoldenModelFolder published(kQuick);
  lay_out_as_published(published.path());
  auto wanted = settings();
  wanted.folder = published.path();
  const auto model = engine().load(wanted);
  ASSERT_TRUE(model) << model.failure().message;
  const auto& info = (*model)->info();
  EXPECT_EQ(info.resolution, 512);
  EXPECT_EQ(info.version, "step 123");
  ASSERT_EQ(info.warnings.size(), 1u);
  for (const char* part : {"resolution=512", "step 123", "resolution=256", "config.json"}) {
    EXPECT_NE(info.warnings[0].find(part), std::string::npos) << info.warnings[0];
  }

  std::ofstream(fs::path(published.path()) / "config.json") << R"({"resolution": 256})";
  const auto told = engine().load(wanted);
  ASSERT_TRUE(told) << told.failure().message;
  EXPECT_EQ((*told)->info().resolution, 256);
  EXPECT_TRUE((*told)->info().warnings.empty());
}

// Tensors that are known to be no weights are ignored with one warning, which names some of them;
// unknown ones are still refused.
TEST_F(LipsyncEngine, IgnoresKnownExtraTensors) {
  auto wanted = settings();
  const GoldenModelFolder known(kQuick);
  lay_out_as_published(known.path(), {{"conv_in.total_ops", at::ones({1})},
                                      {"conv_out.total_ops", at::ones({1})},
                                      {"ema.conv_in.bias", at::ones({32})},
                                      {"optimizer.state.0.exp_avg", at::ones({32})}});
  wanted.folder = known.path();
  const auto model = engine().load(wanted);
  ASSERT_TRUE(model) << model.failure().message;
  const auto& warnings = (*model)->info().warnings;
  ASSERT_EQ(warnings.size(), 2u);
  for (const char* part : {"latentsync_unet.pt", "4 tensors", "\"conv_in.total_ops\"", "..."}) {
    EXPECT_NE(warnings[1].find(part), std::string::npos) << warnings[1];
  }

  const GoldenModelFolder unknown(kQuick);
  lay_out_as_published(unknown.path(), {{"conv_in.lora_A", at::ones({1})}});
  wanted.folder = unknown.path();
  expect_failure(wanted, ErrorCode::kForeignModel, "conv_in.lora_A");
}

}  // namespace
}  // namespace latentsync::test
