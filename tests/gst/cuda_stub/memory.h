#pragma once

#include "gst/cuda/driver_abi.h"

#include <cstddef>
#include <cstdint>

namespace latentsync::cuda_stub {

/// Addresses that fault on every access, each with a second address at which the same bytes can be
/// reached. No address is given out twice, so that a use after free never meets other memory.
class Arena {
 public:
  Arena();
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Whole pages, filled with a pattern; 0 where there is no more.
  cuda::DevicePtr allocate(size_t bytes);
  /// Gives the pages back to the system.
  void release(cuda::DevicePtr begin, size_t bytes);
  /// Where the host reaches an address of the arena.
  uint8_t* alias(cuda::DevicePtr address) const { return open_ + (address - begin()); }
  bool holds(cuda::DevicePtr address) const {
    return address >= begin() && address < begin() + used_;
  }

 private:
  cuda::DevicePtr begin() const { return reinterpret_cast<cuda::DevicePtr>(closed_); }

  int file_ = -1;
  uint8_t* closed_ = nullptr;
  uint8_t* open_ = nullptr;
  size_t used_ = 0;
};

}  // namespace latentsync::cuda_stub
