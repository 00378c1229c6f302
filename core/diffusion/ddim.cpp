#include "core/diffusion/ddim.h"

#include "core/error.h"

#include <cmath>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cumprod.h>
#include <ATen/ops/linspace.h>

namespace latentsync::diffusion {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::kInvalidArgument, message);
}

at::Tensor betas(const DdimOptions& options) {
  const auto float32 = at::TensorOptions(at::kFloat);
  if (options.beta_schedule == BetaSchedule::kLinear) {
    return at::linspace(options.beta_start, options.beta_end, options.num_train_timesteps, float32);
  }
  return at::linspace(std::sqrt(options.beta_start), std::sqrt(options.beta_end),
                      options.num_train_timesteps, float32)
      .square();
}

}  // namespace

DdimScheduler::DdimScheduler(int64_t steps, const DdimOptions& options) {
  const auto trained = options.num_train_timesteps;
  require(trained >= 1 && options.beta_start > 0 && options.beta_start <= options.beta_end &&
              options.beta_end < 1 && options.steps_offset >= 0,
          "The noise schedule needs at least one training timestep, betas that rise within (0, 1) "
          "and an offset of 0 or more.");
  require(steps >= 1 && steps <= trained, "The number of denoising steps must lie between 1 and " +
                                              std::to_string(trained) + ", not be " +
                                              std::to_string(steps) + ".");
  stride_ = trained / steps;
  require((steps - 1) * stride_ + options.steps_offset < trained,
          std::to_string(steps) + " denoising steps reach beyond the " + std::to_string(trained) +
              " timesteps that the network was trained on; use fewer.");
  for (int64_t index = steps - 1; index >= 0; --index) {
    timesteps_.push_back(index * stride_ + options.steps_offset);
  }
  alphas_cumprod_ = at::cumprod(1 - betas(options), 0);
  final_alpha_cumprod_ = options.set_alpha_to_one ? 1 : *alphas_cumprod_.const_data_ptr<float>();
}

double DdimScheduler::alpha(int64_t index) const {
  return alphas_cumprod_.const_data_ptr<float>()[timesteps_.at(index)];
}

double DdimScheduler::previous_alpha(int64_t index) const {
  const auto previous = timesteps_.at(index) - stride_;
  return previous < 0 ? final_alpha_cumprod_ : alphas_cumprod_.const_data_ptr<float>()[previous];
}

// With x0 = (x - sqrt(1 - a) e) / sqrt(a), the next sample is sqrt(a') x0 + sqrt(1 - a') e: a sum
// of x and e with two factors, which are numbers of the schedule and so computed in double.
at::Tensor DdimScheduler::step(const at::Tensor& predicted_noise, int64_t index,
                               const at::Tensor& sample) const {
  const double now = alpha(index), next = previous_alpha(index);
  const double of_sample = std::sqrt(next / now);
  const double of_noise = std::sqrt(1 - next) - std::sqrt(1 - now) * of_sample;
  return (sample.to(at::kFloat) * of_sample)
      .add_(predicted_noise.to(at::kFloat), of_noise)
      .to(sample.scalar_type());
}

at::Tensor DdimScheduler::predicted_original(const at::Tensor& predicted_noise, int64_t index,
                                             const at::Tensor& sample) const {
  const double now = alpha(index);
  return (sample.to(at::kFloat) * std::sqrt(1 / now))
      .sub_(predicted_noise.to(at::kFloat), std::sqrt((1 - now) / now))
      .to(sample.scalar_type());
}

}  // namespace latentsync::diffusion
