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

int64_t cuda_peak(c10::DeviceIndex device) {
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return cuda::getDeviceStats(device).allocated_bytes[kAll].peak;
}

// The part of the device's memory that the allocator may take from now on; the one before.
double limit_cuda(c10::DeviceIndex device, int64_t bytes) {
  const double before = cuda::getMemoryFraction(device);
  const auto total = static_cast<double>(cuda::get()->getMemoryInfo(device).second);
  cuda::setMemoryFraction(std::clamp(static_cast<double>(bytes) / total, 0., 1.), device);
  return before;
}

#endif

}  // namespace

MemoryScope::MemoryScope(c10::Device device, std::shared_ptr<memory::Account> account)
    : device_(device), account_(std::move(account)) {
  if (device_.is_cpu()) {
    account_->reset_peak();
    charged_.emplace(account_);
    return;
  }
#ifdef LATENTSYNC_HAVE_CUDA
  cuda::resetPeakStats(device_.index());
  if (account_->limit() > 0) fraction_before_ = limit_cuda(device_.index(), account_->limit());
#endif
}

MemoryScope::~MemoryScope() {
#ifdef LATENTSYNC_HAVE_CUDA
  try {
    if (fraction_before_) cuda::setMemoryFraction(*fraction_before_, device_.index());
  } catch (...) {
    // A device that fails now has said so before.
  }
#endif
}

int64_t MemoryScope::peak() const {
  if (device_.is_cpu()) return account_->peak();
#ifdef LATENTSYNC_HAVE_CUDA
  return cuda_peak(device_.index());
#else
  return 0;
#endif
}

}  // namespace latentsync::device
