#pragma once

#include "core/diffusion/ddim_options.h"

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::diffusion {

/// DDIM (Song et al. 2020, arXiv 2010.02502) for a network that predicts noise: deterministic (eta
/// 0), "leading" timesteps, no clipping. Immutable: one object serves any number of runs.
class DdimScheduler {
 public:
  /// STEPS from 1 to the largest count whose timesteps stay within the training schedule (999 of
  /// 1000 with the defaults). Errors: kInvalidArgument.
  explicit DdimScheduler(int64_t steps, const DdimOptions& options = {});

  /// Descending, one per step, each in [0, num_train_timesteps).
  const std::vector<int64_t>& timesteps() const { return timesteps_; }
  int64_t steps() const { return static_cast<int64_t>(timesteps_.size()); }

  /// Cumulative products of the alphas, rounded as PyTorch's float32 rounds them;
  /// [num_train_timesteps].
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }
  double final_alpha_cumprod() const { return final_alpha_cumprod_; }

  /// The sample after step INDEX (from 0), of SAMPLE before it and the noise that the network
  /// predicted; all of one shape, any floating dtype: computed in float32, returned in SAMPLE's
  /// dtype.
  at::Tensor step(const at::Tensor& predicted_noise, int64_t index, const at::Tensor& sample) const;

  /// What the network's prediction at step INDEX says the noiseless sample is. Dtypes as in step().
  at::Tensor predicted_original(const at::Tensor& predicted_noise, int64_t index,
                                const at::Tensor& sample) const;

 private:
  double alpha(int64_t index) const;           // of the timestep of step INDEX
  double previous_alpha(int64_t index) const;  // of the timestep that step INDEX leads to

  std::vector<int64_t> timesteps_;
  int64_t stride_;  // training timesteps in one step
  at::Tensor alphas_cumprod_;
  double final_alpha_cumprod_;
};

}  // namespace latentsync::diffusion
