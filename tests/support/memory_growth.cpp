#include "tests/support/memory_growth.h"

#include <fstream>
#include <iostream>
#include <malloc.h>
#include <string>

#include <c10/core/CachingDeviceAllocator.h>

namespace latentsync::test {
namespace {

constexpr char kNow[] = "VmRSS";
constexpr char kPeak[] = "VmHWM";

/// A field of proc_pid_status(5); 0 where the system does not tell it.
int64_t resident_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::stoll(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

/// What the process allocated. Pages of files (libraries, mapped models) are left out: the system
/// takes and returns them as it likes, and what it returned before the beginning is no growth.
int64_t allocated_bytes() {
  const int64_t own = resident_bytes("RssAnon") + resident_bytes("RssShmem");
  return own > 0 ? own : resident_bytes(kNow);
}

/// Whether the peak begins anew at what is resident now.
bool reset_peak() {
  std::ofstream reset("/proc/self/clear_refs");
  reset << "5" << std::flush;
  return static_cast<bool>(reset) && resident_bytes(kPeak) > 0;
}

/// The first figure is that of all of the allocator's pools.
c10::CachingAllocator::Stat device_memory(c10::Device device) {
  return at::getDeviceAllocator(device.type())->getDeviceStats(device.index()).allocated_bytes[0];
}

}  // namespace

MemoryGrowth::MemoryGrowth(c10::Device device) : device_(device) {
  // Freed memory that the allocator still holds would hide growth.
  ::malloc_trim(0);
  has_peak_ = reset_peak();
  if (!has_peak_) std::cerr << "no peaks of memory can be measured here\n";
  before_ = resident_bytes(kNow);
  allocated_before_ = allocated_bytes();
  if (device_.is_cpu()) return;
  if (!device_.has_index()) device_.set_index(0);
  at::getDeviceAllocator(device_.type())->resetPeakStats(device_.index());
  device_before_ = device_memory(device_).current;
}

int64_t MemoryGrowth::now() const {
  // On both sides of the difference, or it would count what the allocator has not given back yet.
  ::malloc_trim(0);
  return allocated_bytes() - allocated_before_;
}

int64_t MemoryGrowth::peak() const { return total_peak() - before_; }

int64_t MemoryGrowth::total_peak() const { return resident_bytes(has_peak_ ? kPeak : kNow); }

int64_t MemoryGrowth::device_peak() const {
  return device_.is_cpu() ? 0 : device_memory(device_).peak - device_before_;
}

}  // namespace latentsync::test
