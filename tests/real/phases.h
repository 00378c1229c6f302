#pragma once

#include "tests/support/memory_growth.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include <c10/core/Device.h>

/// What a test's steps cost.
namespace latentsync::test {

struct Phase {
  std::string network;  ///< "UNet"
  std::string name;     ///< "load"
  double seconds = 0;
  int64_t growth = 0;         ///< bytes of resident memory that are more after the phase
  int64_t peak_growth = 0;    ///< and at the highest during it
  int64_t total_peak = 0;     ///< resident memory of the whole process at the highest
  int64_t device_growth = 0;  ///< peak_growth of tensors on the test device; 0 on the CPU

  /// Of the memory in which the weights are.
  int64_t peak_growth_on(c10::Device device) const {
    return device.is_cpu() ? peak_growth : device_growth;
  }
};

/// Keeps PHASE for print_phases() and among GoogleTest's properties of the running test.
void record(const Phase& phase);

/// All phases so far as a table on standard output.
void print_phases();

void synchronize(c10::Device device);

/// Does WORK and measures it. PHASE has the names; the rest is filled in. Returns what WORK does.
template <typename Work>
auto measured(Phase& phase, c10::Device device, Work&& work) {
  synchronize(device);
  const MemoryGrowth memory(device);
  const auto start = std::chrono::steady_clock::now();
  auto result = std::forward<Work>(work)();
  synchronize(device);
  phase.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  phase.growth = memory.now();
  phase.peak_growth = memory.peak();
  phase.total_peak = memory.total_peak();
  phase.device_growth = memory.device_peak();
  record(phase);
  return result;
}

}  // namespace latentsync::test
