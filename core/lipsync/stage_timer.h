#pragma once

#include "core/lipsync/device.h"

#include <chrono>
#include <utility>

namespace latentsync::lipsync {

/// WORK's result; its time, until the device has done it, is added to SECONDS.
template <typename Work>
auto timed(double& seconds, c10::Device device, Work&& work) {
  const auto begin = std::chrono::steady_clock::now();
  auto result = std::forward<Work>(work)();
  synchronize(device);
  seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace latentsync::lipsync
