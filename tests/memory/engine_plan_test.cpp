#include "core/engine.h"
#include "tests/support/model_folders.h"
#include "tests/support/models_dir.h"

#include <string>

#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

extern "C" latentsync::Engine* latentsync_engine(int version);

namespace latentsync::test {
namespace {

/// Plans for a model of golden weights.
class EnginePlan : public testing::Test {
 protected:
  EnginePlan()
      : folder_(nlohmann::json{{"name", "tiny"}, {"resolution", 128}, {"inference_steps", 4}}) {
    request_.model = {.folder = folder_.path(),
                      .face_folder = (test::models_dir() / "face").string(),
                      .device = "cpu"};
    request_.width = 640;
    request_.height = 360;
  }

  Engine& engine() const { return *latentsync_engine(kEngineVersion); }

  GoldenModelFolder folder_;
  PlanRequest request_;
};

TEST_F(EnginePlan, IsMadeFromTheFilesOfTheModelThatIsLoadedThen) {
  const auto plan = engine().plan(request_);
  ASSERT_TRUE(plan) << plan.failure().message << plan.failure().detail;
  EXPECT_TRUE(plan->fits());
  EXPECT_EQ(plan->device, "cpu");
  EXPECT_EQ(plan->precision, "float32");
  EXPECT_EQ(plan->resolution, 128);
  EXPECT_GT(plan->free, 0);
  EXPECT_LE(plan->budget, plan->free);
  ASSERT_FALSE(plan->ladder.empty());
  const auto model = engine().load(request_.model);
  ASSERT_TRUE(model) << model.failure().message;
  EXPECT_GE(plan->rung().weights, (*model)->info().weight_bytes);
}

TEST_F(EnginePlan, ThatNothingFitsIntoIsNoError) {
  request_.memory.vram_budget = 1;
  const auto plan = engine().plan(request_);
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->fits());
  EXPECT_EQ(plan->chosen, -1);
  EXPECT_FALSE(plan->advice.empty());
}

TEST_F(EnginePlan, OfACudaDeviceThatIsNotThereNeedsItsSize) {
  if (at::hasCUDA()) GTEST_SKIP() << "there is a CUDA device";
  request_.model.device = "cuda:1";
  EXPECT_EQ(engine().plan(request_).failure().code, ErrorCode::kDevice);
  request_.memory.vram_budget = 4096;
  const auto plan = engine().plan(request_);
  ASSERT_TRUE(plan) << plan.failure().message;
  EXPECT_EQ(plan->device, "cuda:1");
  EXPECT_EQ(plan->precision, "float16");
  EXPECT_EQ(plan->total, -1);
  EXPECT_TRUE(plan->fits());
}

TEST_F(EnginePlan, HasTheErrorsOfLoading) {
  request_.settings.resolution = 100;
  EXPECT_EQ(engine().plan(request_).failure().code, ErrorCode::kInvalidArgument);
  request_.model.folder = "/nowhere";
  EXPECT_EQ(engine().plan(request_).failure().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace latentsync::test
