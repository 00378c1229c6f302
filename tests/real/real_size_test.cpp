#include "core/audio/log_mel.h"
#include "core/audio/whisper_encoder.h"
#include "core/model/naming.h"
#include "core/model/state_dict.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/prepare.h"
#include "core/nn/unet3d.h"
#include "tests/real/phases.h"
#include "tests/real/real_model.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/networks.h"
#include "tests/support/wav.h"

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr int64_t kMargin = 200'000'000;  // bytes that loading may take beyond the model's size

int64_t byte_size(const nn::Module& network) {
  int64_t bytes = 0;
  for (const auto& tensor : network.parameters()) bytes += static_cast<int64_t>(tensor.nbytes());
  for (const auto& tensor : network.buffers()) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

std::shared_ptr<nn::UNet3D> load_unet(const model::ModelFolder& folder, c10::ScalarType dtype) {
  const std::string origin = folder.unet.string();
  model::TensorMap state = model::unet_state(model::open_tensor_file(folder.unet));
  auto unet = std::make_shared<nn::UNet3D>(model::unet_config(state, origin, folder.config));
  model::load_state(*unet, std::move(state), origin, test_device(), dtype);
  return unet;
}

std::shared_ptr<nn::AutoencoderKL> load_vae(const model::ModelFolder& folder,
                                            c10::ScalarType dtype) {
  const std::string origin = folder.vae.value().string();
  model::TensorMap state = model::vae_state(model::open_tensor_file(*folder.vae));
  auto vae = std::make_shared<nn::AutoencoderKL>(model::vae_config(state, origin, folder.config));
  model::load_state(*vae, std::move(state), origin, test_device(), dtype);
  return vae;
}

std::shared_ptr<audio::WhisperEncoder> load_whisper(const model::ModelFolder& folder,
                                                    c10::ScalarType dtype) {
  const std::string origin = folder.whisper.string();
  const model::TensorFile file = model::open_tensor_file(folder.whisper);
  const model::TensorMap state = model::whisper_encoder_state(file);
  auto encoder = std::make_shared<audio::WhisperEncoder>(
      model::whisper_config(state, origin, file.integers, folder.config));
  model::load_state(*encoder, state, origin, test_device(), dtype);
  return encoder;
}

/// The model is made once for all tests; each loads one of its networks.
class RealSize : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!has_real_goldens()) return;
    try {
      Phase generate{.network = "all", .name = "generate"};
      model_ = measured(generate, c10::kCPU, [] { return std::make_unique<RealModel>(); });
    } catch (const std::exception& error) {
      failure_ = error.what();
    }
    // What a device's own libraries take at first use is no part of a phase.
    at::zeros({1}, at::TensorOptions(test_device()));
  }
  static void TearDownTestSuite() {
    model_.reset();
    print_phases();
  }

  void SetUp() override {
    if (!has_real_goldens()) GTEST_SKIP() << "no real-size networks in this set";
    ASSERT_NE(model_, nullptr) << failure_;
  }

  const model::ModelFolder& folder() const { return model_->folder(); }

  /// Loads with LOAD(folder, dtype) and expects that it takes little more than the network's size.
  template <typename Load>
  auto load(const std::string& name, Load&& load, c10::ScalarType dtype,
            const std::string& phase_name = "load") {
    Phase phase{.network = name, .name = phase_name};
    const auto network = measured(phase, test_device(), [&] { return load(folder(), dtype); });
    EXPECT_LE(phase.peak_growth_on(test_device()), byte_size(*network) + kMargin);
    beyond_size_ = test_device().is_cpu() ? phase.growth - byte_size(*network) : 0;
    return network;
  }

  /// Packs the weights of NETWORK, loaded last, and expects that all is still within the margin.
  void prepare(const std::string& name, nn::Module& network) {
    Phase phase{.network = name, .name = "prepare"};
    measured(phase, test_device(), [&] {
      nn::prepare_for_inference(network);
      return 0;
    });
    EXPECT_LE(beyond_size_ + phase.peak_growth_on(test_device()), kMargin);
  }

  /// What WORK gives, measured.
  template <typename Work>
  auto evaluate(const std::string& name, const std::string& phase_name, Work&& work) {
    const at::NoGradGuard no_grad;
    Phase phase{.network = name, .name = phase_name};
    return measured(phase, test_device(), std::forward<Work>(work));
  }

 private:
  int64_t beyond_size_ = 0;  // bytes that were resident after loading beside the weights
  static std::unique_ptr<RealModel> model_;
  static std::string failure_;
};

std::unique_ptr<RealModel> RealSize::model_;
std::string RealSize::failure_;

// The checkpoint holds the weights that the golden set lists: the recipe, the writer and the reader
// agree, beyond the file's first 4 GB too.
TEST_F(RealSize, CheckpointHoldsTheListedWeights) {
  const auto goldens = golden("real/unet_real.safetensors").tensors;
  const auto state = model::unet_state(model::open_tensor_file(folder().unet));
  int checked = 0;
  for (const auto& [name, tensor] : state) {
    const auto listed = goldens.find("weights." + name + "[:8]");
    if (listed == goldens.end()) continue;
    EXPECT_TRUE(tensor.flatten().slice(0, 0, listed->second.numel()).equal(listed->second)) << name;
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

// The UNet's configuration is found to be the published one, and one evaluation of the packed
// network equals the reference.
TEST_F(RealSize, UNetEqualsTheReference) {
  const auto goldens = golden("real/unet_real.safetensors").tensors;
  const auto unet = load("UNet", load_unet, test_precision());
  EXPECT_EQ(unet->config(), nn::UNet3DConfig());
  prepare("UNet", *unet);
  const auto noise = evaluate("UNet", "evaluate", [&] {
    return unet->forward(on_device(goldens.at("unet.sample")),
                         goldens.at("unet.timestep").item<int64_t>(),
                         on_device(goldens.at("unet.encoder_hidden_states")));
  });
  EXPECT_TRUE(close(noise, goldens.at("unet.out"), tolerance({.rel_l2 = 1e-4})));
}

// Loading in half precision takes little more than half the size: no tensor but one is ever there
// in both.
TEST_F(RealSize, UNetLoadsInHalfPrecision) {
  load("UNet", load_unet, at::kHalf, "load float16");
  load("UNet", load_unet, at::kBFloat16, "load bfloat16");
}

// The same of the autoencoder, both ways.
TEST_F(RealSize, AutoencoderEqualsTheReference) {
  const auto goldens = golden("real/vae_whisper_real.safetensors").tensors;
  const auto limit = tolerance({.rel_l2 = 2e-5});
  const auto vae = load("VAE", load_vae, test_precision());
  EXPECT_EQ(vae->config(), nn::AutoencoderKLConfig());
  prepare("VAE", *vae);
  const auto image = goldens.at("vae.image_u8_hwc").permute({2, 0, 1}).unsqueeze(0).to(at::kFloat);
  const auto posterior =
      evaluate("VAE", "encode", [&] { return vae->encode(on_device(image / 127.5 - 1)); });
  EXPECT_TRUE(close(posterior.mean, goldens.at("vae.mean"), limit));
  EXPECT_TRUE(close(posterior.logvar, goldens.at("vae.logvar"), limit));
  const auto decoded =
      evaluate("VAE", "decode", [&] { return vae->decode(on_device(goldens.at("vae.mean"))); });
  EXPECT_TRUE(close(decoded, goldens.at("vae.decoded_from_mean"), limit));
}

/// The log-mel of the clip demo1 [80, T]: of its samples where they are at hand, else as stored.
at::Tensor demo_mel() {
  const auto file = golden("mel/mel.safetensors");
  const auto samples = find_clip("demo1", file.metadata.at("demo1.pcm_s16le_sha256"));
  return samples ? audio::LogMel(test_device()).whole_clip(to_float(*samples))
                 : file.tensors.at("demo1.mel");
}

// The same of Whisper's encoder, all states and the output.
TEST_F(RealSize, WhisperEqualsTheReference) {
  const auto goldens = golden("real/vae_whisper_real.safetensors").tensors;
  const auto limit = tolerance({.rel_l2 = 1e-5});
  const auto encoder = load("Whisper", load_whisper, test_precision());
  EXPECT_EQ(encoder->config(), nn::WhisperConfig());
  prepare("Whisper", *encoder);
  const auto mel = demo_mel();
  const int64_t missing = 2 * encoder->config().n_audio_ctx - mel.size(1);
  const auto input = on_device(at::constant_pad_nd(mel, {0, missing}).unsqueeze(0));
  const auto states = evaluate("Whisper", "evaluate", [&] { return encoder->forward(input); });
  const auto rows = goldens.at("whisper.row_index").to(test_device());
  EXPECT_TRUE(close(states[0].transpose(0, 1).index_select(0, rows),
                    goldens.at("whisper.embeddings_rows"), limit));
  EXPECT_TRUE(close(encoder->output(states)[0].index_select(0, rows),
                    goldens.at("whisper.ln_post_rows"), limit));
}

}  // namespace
}  // namespace latentsync::test
