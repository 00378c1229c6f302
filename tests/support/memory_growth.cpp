#include "tests/support/memory_growth.h"

#include <fstream>
#include <malloc.h>
#include <stdexcept>
#include <string>

#include <c10/core/CachingDeviceAllocator.h>

namespace latentsync::test {
namespace {

constexpr char kNow[] = "VmRSS";
constexpr char kPeak[] = "VmHWM";

/// A field of proc_pid_status(5).
int64_t resident_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::stoll(line.substr(field.size() + 1)) * 1024;
  }
  throw std::runtime_error("/proc/self/status has no " + field);
}

/// The first figure is that of all of the allocator's pools.
c10::CachingAllocator::Stat device_memory(c10::Device device) {
  return at::getDeviceAllocator(device.type())->getDeviceStats(device.index()).allocated_bytes[0];
}

}  // namespace

MemoryGrowth::MemoryGrowth(c10::Device device) : device_(device) {
  // Freed memory that the allocator still holds would hide growth.
  ::malloc_trim(0);
  std::ofstream reset("/proc/self/clear_refs");
  reset << "5" << std::flush;
  if (!reset) throw std::runtime_error("/proc/self/clear_refs cannot be written: no peaks here");
  before_ = resident_bytes(kNow);
  if (device_.is_cpu()) return;
  if (!device_.has_index()) device_.set_index(0);
  at::getDeviceAllocator(device_.type())->resetPeakStats(device_.index());
  device_before_ = device_memory(device_).current;
}

int64_t MemoryGrowth::now() const { return resident_bytes(kNow) - before_; }

int64_t MemoryGrowth::peak() const { return total_peak() - before_; }

int64_t MemoryGrowth::total_peak() const { return resident_bytes(kPeak); }

int64_t MemoryGrowth::device_peak() const {
  return device_.is_cpu() ? 0 : device_memory(device_).peak - device_before_;
}

}  // namespace latentsync::test
