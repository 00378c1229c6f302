#include "core/diffusion/denoiser.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/networks.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

const Tolerance kTolerance{.rel_l2 = 5e-5};
constexpr const char* kFinalKey = ".final";

struct Case {
  std::string name;
  int64_t steps;
  double guidance_scale;
  int64_t cache_interval;
  at::Tensor latents;  // [steps + 1, ...] before the first and after every step; may be undefined
  at::Tensor final;
};

class GoldenDeepCache : public testing::Test {
 protected:
  std::vector<Case> cases() const {
    std::vector<Case> found;
    for (const auto& [key, final] : file_.tensors) {
      if (!key.ends_with(kFinalKey)) continue;
      const auto name = key.substr(0, key.size() - std::string(kFinalKey).size());
      const auto stored = file_.tensors.find(name + ".latents");
      const auto latents = stored == file_.tensors.end() ? at::Tensor() : stored->second;
      found.push_back(
          {.name = name,
           .steps = latents.defined() ? latents.size(0) - 1 : integer("steps"),
           .guidance_scale = name.ends_with("_nocfg") ? 1 : number("guidance_scale"),
           .cache_interval = name.starts_with("deepcache") ? integer("cache_interval") : 0,
           .latents = latents,
           .final = final});
    }
    return found;
  }

  void check(const Case& golden_case, bool prepared, bool batch_guidance) const {
    SCOPED_TRACE(golden_case.name);
    const auto unet = golden_unet(prepared);
    diffusion::NetworkPredictor predictor(*unet, nn::AttentionMode::kFlash);
    diffusion::Denoiser denoiser(predictor, diffusion::DdimScheduler(golden_case.steps),
                                 {.guidance_scale = golden_case.guidance_scale,
                                  .cache_interval = golden_case.cache_interval,
                                  .batch_guidance = batch_guidance});
    const auto check_step = [&](int64_t done, int64_t, const at::Tensor& latents) {
      if (!golden_case.latents.defined()) return;
      EXPECT_TRUE(close(latents, golden_case.latents[done], tolerance(kTolerance))) << done;
    };
    const auto& tensors = file_.tensors;
    const auto latents =
        denoiser.run(tensors.at("initial_noise"),
                     {.mask = on_device(tensors.at("mask")),
                      .masked_latents = on_device(tensors.at("masked_image_latents")),
                      .reference_latents = on_device(tensors.at("ref_latents")),
                      .audio_embeddings = on_device(tensors.at("audio_embeds"))},
                     check_step);
    EXPECT_TRUE(close(latents, golden_case.final, tolerance(kTolerance)));
  }

 private:
  int64_t integer(const std::string& name) const { return std::stoll(file_.metadata.at(name)); }
  double number(const std::string& name) const { return std::stod(file_.metadata.at(name)); }

  model::TensorFile file_ = golden("deepcache/deepcache.safetensors");
};

// The denoising loop of the golden network, plain, without guidance and with the feature cache,
// gives the reference's latents after every stored step.
TEST_F(GoldenDeepCache, LoopEqualsTheReference) {
  ASSERT_FALSE(cases().empty());
  for (const auto& golden_case : cases()) {
    check(golden_case, /*prepared=*/true, /*batch_guidance=*/true);
  }
}

// So do, in the shortest case with a cache, dense weights, and the guidance's halves one after the
// other.
TEST_F(GoldenDeepCache, DenseWeightsAndHalvesEqualTheReference) {
  const auto all = cases();
  const auto shortest =
      std::min_element(all.begin(), all.end(), [](const Case& left, const Case& right) {
        return std::pair(left.cache_interval == 0, left.steps) <
               std::pair(right.cache_interval == 0, right.steps);
      });
  ASSERT_NE(shortest, all.end());
  check(*shortest, /*prepared=*/false, /*batch_guidance=*/true);
  check(*shortest, /*prepared=*/true, /*batch_guidance=*/false);
}

}  // namespace
}  // namespace latentsync::test
