#include "core/diffusion/ddim.h"

#include "core/diffusion/noise.h"
#include "core/error.h"
#include "tests/support/compare.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::diffusion {
namespace {

template <typename Action>
ErrorCode error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

// For every number of steps the timesteps fall evenly to the offset within the training schedule,
// and without noise the first and the last step scale the sample by the square root of the alphas'
// ratio, where the last one ends at the schedule's first alpha.
TEST(Ddim, EveryNumberOfStepsWalksTheSchedule) {
  const auto ones = at::ones({1});
  const auto zeros = at::zeros({1});
  for (int64_t steps = 1; steps <= 999; ++steps) {
    const DdimScheduler scheduler(steps);
    const auto& timesteps = scheduler.timesteps();
    ASSERT_EQ(static_cast<int64_t>(timesteps.size()), steps);
    ASSERT_EQ(timesteps.back(), 1) << steps;
    ASSERT_LT(timesteps.front(), 1000) << steps;
    const float* alphas = scheduler.alphas_cumprod().const_data_ptr<float>();
    for (int64_t i = 0; i + 1 < steps; ++i) {
      ASSERT_EQ(timesteps[i] - timesteps[i + 1], 1000 / steps) << steps;
    }
    for (const int64_t i : {int64_t{0}, steps - 1}) {
      const double next = i + 1 == steps ? alphas[0] : alphas[timesteps[i + 1]];
      ASSERT_NEAR(scheduler.step(zeros, i, ones).item<double>(),
                  std::sqrt(next / alphas[timesteps[i]]), 1e-5)
          << steps << ", step " << i;
    }
  }
}

// Step counts that the schedule does not hold are refused.
TEST(Ddim, RefusesStepCountsOutOfRange) {
  for (const int64_t steps : {-1, 0, 1000, 1001}) {
    EXPECT_EQ(error_of([&] { DdimScheduler scheduler(steps); }), ErrorCode::kInvalidArgument)
        << steps;
  }
}

// Schedules that are none are refused.
TEST(Ddim, RefusesImpossibleSchedules) {
  const DdimOptions impossible[] = {{.num_train_timesteps = 0},
                                    {.beta_start = 0},
                                    {.beta_start = 0.5, .beta_end = 0.1},
                                    {.beta_end = 1},
                                    {.steps_offset = -1},
                                    {.steps_offset = 1000}};
  for (const auto& options : impossible) {
    EXPECT_EQ(error_of([&] { DdimScheduler scheduler(1, options); }), ErrorCode::kInvalidArgument);
  }
}

// A linear schedule's first alpha and the product of its first two are what the betas say.
TEST(Ddim, LinearScheduleMultipliesItsBetas) {
  const DdimScheduler scheduler(1, {.num_train_timesteps = 3,
                                    .beta_start = 0.1,
                                    .beta_end = 0.3,
                                    .beta_schedule = BetaSchedule::kLinear});
  EXPECT_TRUE(test::close(scheduler.alphas_cumprod(), at::tensor({0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7}),
                          {.max_abs = 1e-6}));
}

// With alpha one at the end the last step gives the predicted original itself.
TEST(Ddim, EndsAtThePredictedOriginalWithAlphaOne) {
  const DdimScheduler scheduler(4, {.set_alpha_to_one = true});
  const auto sample = at::tensor({1.5, -2.0, 0.25}).to(at::kFloat);
  const auto noise = at::tensor({0.5, 1.0, -3.0}).to(at::kFloat);
  EXPECT_TRUE(test::close(scheduler.step(noise, 3, sample),
                          scheduler.predicted_original(noise, 3, sample), {.max_abs = 1e-6}));
}

// Half-precision samples are computed in float32 and rounded once.
TEST(Ddim, HalfSamplesAreRoundedOnce) {
  const DdimScheduler scheduler(20);
  const auto sample = initial_noise(make_generator(1), 4, 8, 8);
  const auto noise = initial_noise(make_generator(2), 4, 8, 8);
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    const auto rounded_sample = sample.to(dtype), rounded_noise = noise.to(dtype);
    const auto stepped = scheduler.step(rounded_noise, 7, rounded_sample);
    EXPECT_EQ(stepped.scalar_type(), dtype);
    const auto in_float =
        scheduler.step(rounded_noise.to(at::kFloat), 7, rounded_sample.to(at::kFloat));
    EXPECT_TRUE(stepped.equal(in_float.to(dtype)));
  }
}

// A seed always gives the same draws, which are those of PyTorch's CPU generator, and the next draw
// is another one.
TEST(Noise, IsReproducibleAndPyTorchs) {
  const auto generator = make_generator(1247);
  const auto noise = initial_noise(generator, 4, 16, 16);
  EXPECT_EQ(noise.sizes(), at::IntArrayRef({1, 4, 1, 16, 16}));
  EXPECT_TRUE(noise.equal(initial_noise(make_generator(1247), 4, 16, 16)));
  EXPECT_FALSE(noise.equal(initial_noise(generator, 4, 16, 16)));
  EXPECT_FALSE(noise.equal(initial_noise(make_generator(1248), 4, 16, 16)));
  EXPECT_TRUE(test::close(noise.flatten().slice(0, 0, 4),
                          at::tensor({2.5234921, -0.2484321, -0.298386425, 0.111619756}),
                          {.max_abs = 1e-5}));
}

}  // namespace
}  // namespace latentsync::diffusion
