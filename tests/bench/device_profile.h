#pragma once

#include <functional>

#include <c10/core/Device.h>
#include <nlohmann/json.hpp>

namespace latentsync::bench {

/// What a device executes during WORK, by Kineto, the profiler of LibTorch: "kernels", an array of
/// {name, calls, seconds} with the longest first (copies and fills are kernels here), and
/// "runtime", how often each function of the CUDA runtime was called. On a CPU "kernels" are
/// operators, each with those that it calls, so that their times do not add up. WORK includes a
/// synchronisation of the device at its end.
nlohmann::ordered_json device_profile(c10::Device device, const std::function<void()>& work);

}  // namespace latentsync::bench
