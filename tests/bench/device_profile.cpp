#include "tests/bench/device_profile.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/profiler_kineto.h>

namespace latentsync::bench {
namespace {

namespace kineto = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;
using torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ProfilerState;

struct Total {
  int64_t calls = 0;
  uint64_t nanoseconds = 0;
};

std::unique_ptr<kineto::ProfilerResult> record(c10::Device device,
                                               const std::function<void()>& work) {
  const ProfilerConfig config(ProfilerState::KINETO);
  std::set<ActivityType> activities = {ActivityType::CPU};
  if (!device.is_cpu()) activities.insert(ActivityType::CUDA);
  kineto::prepareProfiler(config, activities);
  kineto::enableProfiler(config, activities, {at::RecordScope::FUNCTION});
  try {
    work();
  } catch (...) {
    kineto::disableProfiler();
    throw;
  }
  return kineto::disableProfiler();
}

nlohmann::ordered_json longest_first(const std::map<std::string, Total>& totals) {
  std::vector<std::pair<std::string, Total>> sorted(totals.begin(), totals.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.nanoseconds > b.second.nanoseconds;
  });
  auto result = nlohmann::ordered_json::array();
  for (const auto& [name, total] : sorted) {
    result.push_back({{"name", name},
                      {"calls", total.calls},
                      {"seconds", static_cast<double>(total.nanoseconds) * 1e-9}});
  }
  return result;
}

}  // namespace

nlohmann::ordered_json device_profile(c10::Device device, const std::function<void()>& work) {
  std::map<std::string, Total> kernels;
  std::map<std::string, int64_t> runtime;
  const auto recorded = record(device, work);
  for (const auto& event : recorded->events()) {
    const std::string name = event.name();
    // Calls of the runtime are events of the CPU, beside its operators ("aten::…").
    const bool is_call = event.deviceType() == c10::kCPU && name.starts_with("cu");
    if (is_call) ++runtime[name];
    if (is_call || event.deviceType() != device.type()) continue;
    Total& total = kernels[name];
    ++total.calls;
    total.nanoseconds += event.durationNs();
  }
  return {{"kernels", longest_first(kernels)}, {"runtime", runtime}};
}

}  // namespace latentsync::bench
