#include "core/diffusion/ddim.h"

#include "core/model/config.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

const Tolerance kTolerance{.rel_l2 = 1e-5};
constexpr const char* kTimestepsKey = "timesteps_";
constexpr const char* kTrajectoryKey = ".model_outputs";

diffusion::DdimOptions golden_options() {
  const auto path = golden_dir() / "ddim/scheduler_config_effective.json";
  return model::model_config(model::ConfigFile::read(path)).scheduler;
}

// Every stored list of timesteps is met exactly.
TEST(GoldenDdim, TimestepsAreExact) {
  int checked = 0;
  for (const auto& [name, stored] : golden("ddim/ddim.safetensors").tensors) {
    if (!name.starts_with(kTimestepsKey)) continue;
    const auto steps = std::stoll(name.substr(std::string(kTimestepsKey).size()));
    const std::vector<int64_t> expected(stored.const_data_ptr<int64_t>(),
                                        stored.const_data_ptr<int64_t>() + stored.numel());
    EXPECT_EQ(diffusion::DdimScheduler(steps, golden_options()).timesteps(), expected) << name;
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

// The noise schedule is the reference's.
TEST(GoldenDdim, AlphasEqualTheReference) {
  const auto file = golden("ddim/ddim.safetensors");
  const diffusion::DdimScheduler scheduler(1, golden_options());
  EXPECT_TRUE(close(scheduler.alphas_cumprod(), file.tensors.at("alphas_cumprod"), kTolerance));
  EXPECT_NEAR(scheduler.final_alpha_cumprod(),
              file.tensors.at("final_alpha_cumprod").item<double>(), 1e-7);
}

// From the first latents and the stored predictions the whole trajectory follows, and at each step
// the predicted original.
TEST(GoldenDdim, TrajectoriesEqualTheReference) {
  const auto file = golden("ddim/ddim.safetensors");
  int checked = 0;
  for (const auto& [key, stored] : file.tensors) {
    if (!key.ends_with(kTrajectoryKey)) continue;
    const auto name = key.substr(0, key.size() - std::string(kTrajectoryKey).size());
    const auto outputs = stored.to(test_device(), test_precision());
    const auto& latents = file.tensors.at(name + ".latents");
    const auto& originals = file.tensors.at(name + ".pred_original");
    const diffusion::DdimScheduler scheduler(outputs.size(0), golden_options());
    auto sample = latents[0].to(test_device(), test_precision());
    for (int64_t i = 0; i < scheduler.steps(); ++i) {
      SCOPED_TRACE(name + ", step " + std::to_string(i));
      EXPECT_TRUE(close(scheduler.predicted_original(outputs[i], i, sample), originals[i],
                        tolerance(kTolerance)));
      sample = scheduler.step(outputs[i], i, sample);
      EXPECT_TRUE(close(sample, latents[i + 1], tolerance(kTolerance)));
    }
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

}  // namespace
}  // namespace latentsync::test
