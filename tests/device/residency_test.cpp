#include "core/lipsync/residency.h"

#include "core/nn/layers.h"
#include "core/nn/prepare.h"
#include "tests/device/test_device.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::lipsync {
namespace {

using device::in_task;
using device::test_device;

// A small UNet with all kinds of stages, and a layer in the place of the other networks.
struct TestNetworks {
  TestNetworks() {
    const c10::InferenceMode no_inference(false);  // as networks are loaded
    nn::UNet3DConfig config;
    config.block_out_channels = {32, 32, 64, 64};
    config.layers_per_block = 1;
    config.cross_attention_dim = 16;
    unet = std::make_shared<nn::UNet3D>(config);
    other = std::make_shared<nn::Linear>(64, 64);
    for (const auto& network : std::vector<std::shared_ptr<nn::Module>>{unet, other}) {
      nn::initialise_parameters(*network, 1);
      for (auto& parameter : network->parameters()) parameter.requires_grad_(false);
      network->to(test_device(), at::kFloat);
    }
    sample = at::randn({2, 13, 2, 16, 16}).to(test_device());
    audio = at::randn({4, 5, 16}).to(test_device());
  }

  // A whole evaluation, and one with its cached features.
  std::vector<at::Tensor> evaluate() {
    nn::FeatureCache cache;
    auto whole = unet->forward(sample, 500, audio, nn::CacheUse::kStore, &cache);
    return {whole, unet->forward(sample, 480, audio, nn::CacheUse::kReuse, &cache)};
  }
  at::Tensor evaluate_other() { return other->forward(sample.flatten().narrow(0, 0, 64)); }

  std::shared_ptr<nn::UNet3D> unet;
  std::shared_ptr<nn::Linear> other;
  at::Tensor sample, audio;
};

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].equal(b[i])) return false;
  }
  return a.size() == b.size();
}

const std::vector<Rung> kRungs = {{.name = "whole"},
                                  {.name = "host-networks", .host_networks = true},
                                  {.name = "both", .host_networks = true, .streamed_unet = true},
                                  {.name = "streamed-unet", .streamed_unet = true}};

// Wherever the weights lie and whichever rung came before, results are equal bit for bit.
TEST(Residency, ResultsDoNotDependOnTheRung) {
  in_task([] {
    TestNetworks networks;
    const auto unet = networks.evaluate();
    const auto other = networks.evaluate_other();
    Residency residency(networks.unet, {networks.other}, test_device());
    for (const auto& before : kRungs) {
      for (const auto& rung : kRungs) {
        residency.use_unet(before);
        residency.use_others(rung);
        EXPECT_TRUE(networks.evaluate_other().equal(other)) << before.name << " " << rung.name;
        residency.use_unet(rung);
        EXPECT_TRUE(equal(networks.evaluate(), unet)) << before.name << " " << rung.name;
        residency.use_others(before);
        EXPECT_TRUE(networks.evaluate_other().equal(other)) << before.name << " " << rung.name;
      }
    }
  });
}

// The constants of a denoising run need weights of all stages.
TEST(Residency, ConstantsAreComputedFromStreamedStages) {
  in_task([] {
    TestNetworks networks;
    const auto audio = networks.audio.narrow(0, 0, 2);
    const auto evaluate = [&] {
      const auto constants = networks.unet->constants({500, 480}, audio, 2);
      return networks.unet->forward_step(networks.sample, constants, 1, /*conditioned=*/true);
    };
    const auto expected = evaluate();
    Residency residency(networks.unet, {networks.other}, test_device());
    residency.use_unet(kRungs[2]);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(evaluate().equal(expected));
  });
}

// With a streamed UNet two stages are on the device at once: the others' weights have no memory of
// their own there.
TEST(Residency, StagesShareTheirMemory) {
  in_task([] {
    TestNetworks networks;
    Residency residency(networks.unet, {networks.other}, test_device());
    residency.use_unet(kRungs[3]);
    networks.evaluate();
    const auto stages = networks.unet->stages();
    std::vector<const void*> storages;
    for (size_t i = 0; i + 1 < stages.size(); ++i) {
      const void* storage = stages[i]->parameters().front().storage().data();
      if (std::ranges::find(storages, storage) == storages.end()) storages.push_back(storage);
    }
    EXPECT_EQ(stages.size(), 9U);
    EXPECT_EQ(storages.size(), 2U);
  });
}

}  // namespace
}  // namespace latentsync::lipsync
