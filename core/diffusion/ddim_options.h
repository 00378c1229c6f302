#pragma once

#include <cstdint>

namespace latentsync::diffusion {

enum class BetaSchedule {
  kLinear,        ///< linear in beta
  kScaledLinear,  ///< linear in the square root of beta
};

/// The defaults are those of Stable Diffusion 1.x and of LatentSync.
struct DdimOptions {
  int64_t num_train_timesteps = 1000;
  double beta_start = 0.00085;
  double beta_end = 0.012;
  BetaSchedule beta_schedule = BetaSchedule::kScaledLinear;
  int64_t steps_offset = 1;
  /// Whether the step that leaves the schedule ends at alpha 1 instead of the first alpha.
  bool set_alpha_to_one = false;

  bool operator==(const DdimOptions&) const = default;
};

}  // namespace latentsync::diffusion
