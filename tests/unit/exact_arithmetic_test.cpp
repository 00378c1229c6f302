#include "core/lipsync/device.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

namespace latentsync::lipsync {
namespace {

// LibTorch's settings as they were, put back at the end. None of them needs a GPU.
class ExactArithmetic : public testing::Test {
 protected:
  ~ExactArithmetic() override {
    context_.setAllowTF32CuBLAS(false);
    context_.setAllowTF32CuDNN(false);
    context_.setAllowFP16AccumulationCuBLAS(false);
    context_.setAllowFP16ReductionCuBLAS(true);
    context_.setAllowBF16ReductionCuBLAS(true);
    context_.setDeterministicCuDNN(false);
    context_.setBenchmarkCuDNN(false);
  }

  void set_all_for_speed() {
    context_.setAllowTF32CuBLAS(true);
    context_.setAllowTF32CuDNN(true);
    context_.setAllowFP16AccumulationCuBLAS(true);
    context_.setAllowFP16ReductionCuBLAS(true);
    context_.setAllowBF16ReductionCuBLAS(true);
    context_.setDeterministicCuDNN(false);
    context_.setBenchmarkCuDNN(true);
  }

  at::Context& context_ = at::globalContext();
};

// Whatever the settings were, and as often as somebody changes them: what a CUDA device computes
// afterwards is exact and repeatable.
TEST_F(ExactArithmetic, HoldsAfterEveryLoad) {
  constexpr auto kExact = at::CuBLASReductionOption::DisallowReducedPrecisionAllowSplitK;
  for (int load = 0; load < 2; ++load) {
    set_all_for_speed();
    use_exact_arithmetic({c10::kCUDA, 0});
    EXPECT_FALSE(context_.allowTF32CuBLAS());
    EXPECT_FALSE(context_.allowTF32CuDNN());
    EXPECT_FALSE(context_.allowFP16AccumulationCuBLAS());
    EXPECT_EQ(context_.allowFP16ReductionCuBLAS(), kExact);
    EXPECT_EQ(context_.allowBF16ReductionCuBLAS(), kExact);
    EXPECT_TRUE(context_.deterministicCuDNN());
    EXPECT_FALSE(context_.benchmarkCuDNN());
  }
}

// A model on a CPU leaves the settings for GPUs alone.
TEST_F(ExactArithmetic, OfACpuChangesNothing) {
  set_all_for_speed();
  use_exact_arithmetic(c10::kCPU);
  EXPECT_TRUE(context_.allowTF32CuDNN());
  EXPECT_FALSE(context_.deterministicCuDNN());
  EXPECT_TRUE(context_.benchmarkCuDNN());
}

}  // namespace
}  // namespace latentsync::lipsync
