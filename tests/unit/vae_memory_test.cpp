#include "core/memory/account.h"
#include "core/nn/autoencoder_kl.h"
#include "tests/support/weights.h"

#include <cstdint>
#include <memory>

#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

// An eighth of the published widths, with weights as a GPU has them.
class VaeMemory : public testing::Test {
 protected:
  static constexpr int64_t kEdge = 256, kWidth = 16;

  VaeMemory() {
    for (auto& item : vae_->named_parameters()) {
      item.value().set_data(test::generate_weight(item.key(), item.value().sizes(), 3));
    }
  }

  // The most tensors beside the weights and the input, in channels of the crop's own size.
  double encode(int64_t tile) {
    const auto images = test::generate_weight("image.bias", {1, 3, kEdge, kEdge}, 1);
    return channels([&] { vae_->encode_images(images, {}, tile); });
  }
  double decode(int64_t tile) {
    const auto latents = test::generate_weight("latent.bias", {1, 4, kEdge / 8, kEdge / 8}, 1);
    return channels([&] { vae_->decode_latents(latents, tile); });
  }

 private:
  template <typename Work>
  static double channels(const Work& work) {
    const auto account = std::make_shared<memory::Account>();
    const memory::AccountScope scope(account);
    work();
    return static_cast<double>(account->peak()) / (kEdge * kEdge * sizeof(float));
  }

  c10::InferenceMode inference_;
  std::shared_ptr<AutoencoderKL> vae_ = std::make_shared<AutoencoderKL>(AutoencoderKLConfig{
      .block_out_channels = {kWidth, 2 * kWidth, 4 * kWidth, 4 * kWidth}, .norm_groups = 8});
};

// The decoder's last upsampler has an input and an output of twice the width; its last block's
// first resnet, that input, its shortcut and a result.
TEST_F(VaeMemory, DecoderHoldsFourWidths) { EXPECT_LT(decode(0), 4.2 * kWidth); }

// A resnet's input, what is normalised of it and the result.
TEST_F(VaeMemory, EncoderHoldsThreeWidths) { EXPECT_LT(encode(0), 3.2 * kWidth); }

// In tiles: a resnet's input and its result, and the blocks at half the resolution.
TEST_F(VaeMemory, TilesHaveIt) {
  EXPECT_LT(decode(64), 2.4 * kWidth);
  EXPECT_LT(encode(64), 1.9 * kWidth);
}

}  // namespace
}  // namespace latentsync::nn
