#include "core/error.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/prepare.h"
#include "core/nn/taesd.h"
#include "tests/support/compare.h"
#include "tests/support/weights.h"

#include <cstdint>
#include <memory>
#include <ostream>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::nn {
namespace {

at::Tensor random(at::IntArrayRef shape, uint64_t seed) {
  return test::generate_weight("input.bias", shape, seed) * 20;  // within [-1, 1]
}

template <typename Network>
std::shared_ptr<Network> filled(std::shared_ptr<Network> network) {
  for (auto& item : network->named_parameters()) {
    item.value().set_data(test::generate_weight(item.key(), item.value().sizes(), 3));
  }
  return network;
}

struct Case {
  std::vector<int64_t> widths;
  int64_t layers, height, width, tile;
  bool packed;

  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.widths.size() << " blocks, " << c.height << "x" << c.width << " in tiles of "
               << c.tile << (c.packed ? ", packed" : "");
  }
};

// What differs from place to place: the statistics of a part are not those of the whole.
at::Tensor shaded(at::IntArrayRef shape, uint64_t seed) {
  const auto along = [&](double begin) { return at::linspace(begin, 1, shape[3]); };
  return (random(shape, seed) * along(0.1) + along(-1))
      .to(test::test_device(), test::test_precision());
}

class VaeTiles : public testing::TestWithParam<Case> {
 protected:
  VaeTiles() {
    vae->to(test::test_device(), test::test_precision());
    if (GetParam().packed) prepare_for_inference(*vae);
  }

  c10::InferenceMode inference;
  std::shared_ptr<AutoencoderKL> vae = filled(
      std::make_shared<AutoencoderKL>(AutoencoderKLConfig{.block_out_channels = GetParam().widths,
                                                          .layers_per_block = GetParam().layers,
                                                          .norm_groups = 4}));
};

// Tiles change the result by rounding only, though nothing of the picture has the statistics of all
// of it: with and without a rest at the right and at the bottom, several pictures at once.
TEST_P(VaeTiles, EqualTheWholePicture) {
  const auto& [widths, layers, height, width, tile, packed] = GetParam();
  const auto factor = vae->downscale_factor();
  const auto rounding = test::tolerance({.max_abs = 1e-4, .rel_l2 = 1e-5});
  const auto images = shaded({2, 3, height, width}, 1);
  EXPECT_TRUE(
      test::close(vae->encode_images(images, {}, tile), vae->encode_images(images), rounding));
  const auto latents = shaded({2, 4, height / factor, width / factor}, 2);
  EXPECT_TRUE(
      test::close(vae->decode_latents(latents, tile), vae->decode_latents(latents), rounding));
}

INSTANTIATE_TEST_SUITE_P(Networks, VaeTiles,
                         testing::Values(Case{{8, 16}, 1, 128, 192, 64, false},
                                         Case{{8, 16}, 1, 128, 192, 64, true},
                                         Case{{8, 8, 16, 16}, 2, 136, 200, 64, false},
                                         Case{{8, 8, 16, 16}, 2, 136, 200, 64, true},
                                         Case{{8, 8, 16, 16}, 2, 136, 200, 128, true},
                                         Case{{8}, 2, 70, 150, 64, false},
                                         Case{{32, 64}, 1, 64, 256, 128, true}));

// A tile that holds the picture is the picture, in every bit; and so is TAESD's whatever the tile.
TEST(VaeTile, OfTheWholePictureChangesNothing) {
  const c10::InferenceMode inference;
  const auto images = random({1, 3, 128, 64}, 1);
  const auto latents = random({1, 4, 16, 8}, 2);
  const auto full = filled(std::make_shared<AutoencoderKL>(AutoencoderKLConfig{
      .block_out_channels = {8, 8, 8, 8}, .layers_per_block = 1, .norm_groups = 4}));
  EXPECT_TRUE(at::equal(full->encode_images(images, {}, 128), full->encode_images(images)));
  EXPECT_TRUE(at::equal(full->decode_latents(latents, 128), full->decode_latents(latents)));
  const auto tiny = filled(std::make_shared<Taesd>());
  EXPECT_TRUE(at::equal(tiny->encode_images(images, {}, 64), tiny->encode_images(images)));
  EXPECT_TRUE(at::equal(tiny->decode_latents(latents, 64), tiny->decode_latents(latents)));
}

// Tiles of a size that the network's layers could not keep to are refused.
TEST(VaeTile, OfAnotherSizeIsRefused) {
  const auto vae = filled(std::make_shared<Taesd>());
  for (const int64_t tile : {-64, 1, 32, 100}) {
    try {
      vae->decode_latents(random({1, 4, 2, 2}, 1), tile);
      ADD_FAILURE() << tile;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << tile;
    }
  }
}

}  // namespace
}  // namespace latentsync::nn
