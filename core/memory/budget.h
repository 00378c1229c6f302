#pragma once

#include "core/memory_plan.h"

#include <cstdint>
#include <filesystem>

#include <c10/core/Device.h>

/// How much of a device's memory may be taken.
namespace latentsync::memory {

struct DeviceMemory {
  int64_t total = -1;  ///< bytes; -1: not known
  int64_t free = -1;   ///< bytes that can be had now; -1: not known
};

/// Of the machine: what it has and what is available without swapping, both no more than the
/// process' control groups (version 2 or 1) allow. -1 where the system does not say.
/// root: where /proc and /sys are.
DeviceMemory system_memory(const std::filesystem::path& root = "/");

/// Of a device that is there: the machine's for a CPU, with HELD bytes, which this process holds
/// and can give back, counted as free; of a CUDA device what LibTorch's allocator holds here is,
/// anyway.
DeviceMemory device_memory(c10::Device device, int64_t held = 0);

/// What the settings give, in bytes, never negative:
///
/// | setting           | budget                                                                |
/// | ----------------- | --------------------------------------------------------------------- |
/// | vram-budget > 0   | so many MiB                                                           |
/// | vram-budget < 0   | what is free, less so many MiB                                        |
/// | vram-fraction > 0 | this part of the device's memory                                      |
/// | both 0            | of what is free, by memory-mode: conservative 60 %, balanced 80 %,    |
/// |                   | aggressive 90 %; on a CPU all of it                                   |
///
/// and never more than is free. Where that is not known, only vram-budget > 0 and, with a known
/// total, vram-fraction say something; else 0.
int64_t budget_of(const MemorySettings& settings, const DeviceMemory& memory, bool cpu);

}  // namespace latentsync::memory
