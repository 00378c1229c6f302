#include "tests/real/phases.h"

#include <cstdio>
#include <vector>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

std::vector<Phase>& phases() {
  static std::vector<Phase> all;
  return all;
}

int64_t mib(int64_t bytes) { return bytes / (1 << 20); }

}  // namespace

void record(const Phase& phase) {
  phases().push_back(phase);
  const std::string name = phase.network + "_" + phase.name;
  testing::Test::RecordProperty(name + "_seconds", std::to_string(phase.seconds));
  testing::Test::RecordProperty(name + "_growth_mib", std::to_string(mib(phase.growth)));
  testing::Test::RecordProperty(name + "_peak_growth_mib", std::to_string(mib(phase.peak_growth)));
  testing::Test::RecordProperty(name + "_peak_mib", std::to_string(mib(phase.total_peak)));
  testing::Test::RecordProperty(name + "_device_mib", std::to_string(mib(phase.device_growth)));
}

void print_phases() {
  std::printf("%-8s %-14s %8s %11s %14s %9s %11s\n", "network", "phase", "seconds", "growth MiB",
              "its peak MiB", "peak MiB", "device MiB");
  for (const Phase& phase : phases()) {
    std::printf("%-8s %-14s %8.2f %11ld %14ld %9ld %11ld\n", phase.network.c_str(),
                phase.name.c_str(), phase.seconds, mib(phase.growth), mib(phase.peak_growth),
                mib(phase.total_peak), mib(phase.device_growth));
  }
  std::fflush(stdout);
}

void synchronize(c10::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeDevice(device.has_index() ? device.index() : guard.getDevice().index());
}

}  // namespace latentsync::test
