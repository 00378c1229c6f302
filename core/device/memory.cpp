#include "core/device/memory.h"

#include <algorithm>
#include <utility>

#ifdef LATENTSYNC_HAVE_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#endif

namespace latentsync::device {
namespace {

#ifdef LATENTSYNC_HAVE_CUDA

namespace cuda = c10::cuda::CUDACachingAllocator;

int64_t live_bytes(c10::DeviceIndex device) {
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return cuda::getDeviceStats(device).allocated_bytes[kAll].current;
}

// The part of the device's memory that the allocator may take from now on; the one before.
double limit_cuda(c10::DeviceIndex device, int64_t bytes) {
  const double before = cuda::getMemoryFraction(device);
  const auto total = static_cast<double>(cuda::get()->getMemoryInfo(device).second);
  cuda::setMemoryFraction(std::clamp(static_cast<double>(bytes) / total, 0., before), device);
  return before;
}

#endif

}  // namespace

BudgetScope::BudgetScope(c10::Device device, std::shared_ptr<memory::Account> account,
                         int64_t headroom)
    : device_(device) {
  if (device_.is_cpu()) charged_.emplace(std::move(account));
#ifdef LATENTSYNC_HAVE_CUDA
  if (device_.is_cuda() && headroom > 0) {
    const auto index = device_.index();
    fraction_before_ = limit_cuda(index, live_bytes(index) + headroom);
  }
#endif
}

BudgetScope::~BudgetScope() {
#ifdef LATENTSYNC_HAVE_CUDA
  try {
    if (fraction_before_) cuda::setMemoryFraction(*fraction_before_, device_.index());
  } catch (...) {
    // A device that fails now has said so before.
  }
#endif
}

}  // namespace latentsync::device
