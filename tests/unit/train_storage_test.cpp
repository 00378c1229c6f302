#include "core/audio/whisper_encoder.h"
#include "core/model/tensor_file.h"
#include "core/nn/prepare.h"
#include "core/nn/taesd.h"
#include "examples/train/model_files.h"
#include "examples/train/storage.h"
#include "tests/support/compare.h"
#include "tests/support/png.h"
#include "tests/support/temporary_folder.h"

#include <memory>

#include <ATen/TensorOperators.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace latentsync::train {
namespace {

model::TensorMap weights_of(const nn::Module& module) {
  model::TensorMap result;
  for (const auto& item : module.named_parameters()) result[item.key()] = item.value().detach();
  return result;
}

// What is written is what core/model reads, of every type that the trainer writes.
TEST(TrainStorage, WritesWhatTheReaderReads) {
  const test::TemporaryFolder folder;
  const model::TensorMap tensors = {{"a", at::randn({3, 5})},
                                    {"b.half", at::randn({7}).to(at::kHalf)},
                                    {"bytes", at::randint(0, 256, {2, 2, 3}).to(at::kByte)},
                                    {"steps", at::randint(0, 9, {1}).to(at::kLong)},
                                    {"turned", at::randn({4, 6}).t()}};
  write_safetensors(folder / "sub/file.safetensors", tensors, {{"spent", "12.5"}});
  const auto file = model::open_safetensors(folder / "sub/file.safetensors");
  EXPECT_EQ(file.metadata.at("spent"), "12.5");
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_TRUE(file.tensors.at(name).equal(tensor)) << name;
  }
}

// A PNG of more than one stored block comes back pixel for pixel.
TEST(TrainStorage, PicturesComeBack) {
  const test::TemporaryFolder folder;
  const auto picture = at::randint(0, 256, {150, 201, 3}).to(at::kByte);
  write_png(folder / "picture.png", picture);
  EXPECT_TRUE(test::read_png(folder / "picture.png").equal(picture));
}

// A written model folder is one that core/model takes: the same shape, the weights in float16, and
// the position tables that the networks were trained with.
TEST(TrainStorage, AModelFolderComesBack) {
  const test::TemporaryFolder folder;
  const nn::Taesd taesd;
  write_safetensors(folder / "taesd/taesd_encoder.safetensors", {{"x", at::randn({1})}});
  write_safetensors(folder / "taesd/taesd_decoder.safetensors", {{"x", at::randn({1})}});
  ModelShape shape;
  shape.unet.block_out_channels = {32, 32, 64, 64};
  shape.unet.layers_per_block = 1;
  shape.unet.attention_heads = 2;
  shape.unet.motion_heads = 4;
  shape.unet.cross_attention_dim = 48;
  shape.unet.cross_attention_blocks = {false, true, true, true};
  shape.unet.motion_down_blocks = {false, false, false, false};
  shape.unet.motion_up_blocks = {true, true, true, false};
  shape.whisper = {.n_audio_ctx = 50, .n_audio_state = 48, .n_audio_head = 3, .n_audio_layer = 2};
  shape.edge = 192;
  shape.inference_steps = 5;
  shape.feature_cache = 2;
  shape.name = "someone";
  nn::UNet3D unet(shape.unet);
  audio::WhisperEncoder encoder(shape.whisper);
  nn::initialise_parameters(unet, 1);
  nn::initialise_parameters(encoder, 2);
  write_model(folder / "model", shape, weights_of(unet), unet, weights_of(encoder), encoder,
              folder / "taesd");

  const auto again = read_shape(folder / "model");
  EXPECT_EQ(again.unet, shape.unet);
  EXPECT_EQ(again.whisper, shape.whisper);
  EXPECT_EQ(again.edge, shape.edge);
  EXPECT_EQ(again.inference_steps, shape.inference_steps);
  EXPECT_EQ(again.feature_cache, shape.feature_cache);
  EXPECT_EQ(again.name, shape.name);
  nn::UNet3D other(shape.unet);
  audio::WhisperEncoder other_encoder(shape.whisper);
  read_weights(folder / "model", other, other_encoder);
  for (const auto& [name, tensor] : weights_of(unet)) {
    EXPECT_TRUE(test::close(weights_of(other).at(name), tensor, {.max_abs = 1e-3})) << name;
  }
  for (const auto& item : encoder.named_buffers()) {
    EXPECT_TRUE(
        test::close(other_encoder.named_buffers().at(item.key()), item.value(), {.max_abs = 1e-3}));
  }
}

}  // namespace
}  // namespace latentsync::train
