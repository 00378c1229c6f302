#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

/// The stages of the model that are timed, with random weights.
namespace latentsync::bench {

struct StageOptions {
  /// demo: networks as small as the demo model's; real: those of the published checkpoints.
  bool real = false;
  int64_t frames = 16;
  int64_t edge = 256;  ///< of the square face crop in pixels; latents have an eighth of it
  c10::Device device = c10::kCPU;
  c10::ScalarType dtype = c10::kFloat;
  bool packed = true;  ///< weights laid out for the CPU; else layers run as they do on a GPU
};

struct Stage {
  std::function<void()> run;  ///< one evaluation; on a GPU it returns before the work is done
  int64_t parameters = 0;
  double flops = 0;  ///< of one run, a multiplication and an addition are two; 0: not counted
};

struct StageMaker {
  std::string name;
  std::string what;  ///< what one run evaluates
  std::function<Stage(const StageOptions&)> make;
};

/// In the order in which a window goes through them. Weights are allocated by make() and freed with
/// the Stage.
const std::vector<StageMaker>& stages();

}  // namespace latentsync::bench
