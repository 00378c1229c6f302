#pragma once

#include <cstddef>
#include <cstdint>

/// As much of the CUDA driver's binary interface as is used here, which the driver keeps for good.
/// Declared by hand, so that neither a CUDA toolkit nor a driver is needed to build.
namespace latentsync::cuda {

using Result = int;
using Device = int;
using DevicePtr = uint64_t;
using Context = struct ContextHandle*;
using Stream = struct StreamHandle*;
using Event = struct EventHandle*;

constexpr Result kSuccess = 0;
constexpr Result kInvalidValue = 1;
constexpr Result kOutOfMemory = 2;
constexpr Result kNotInitialized = 3;
constexpr Result kInvalidDevice = 101;
constexpr Result kInvalidContext = 201;
constexpr Result kInvalidHandle = 400;
constexpr Result kNotReady = 600;
constexpr Result kPeerAccessUnsupported = 217;
constexpr Result kLaunchFailed = 719;
constexpr Result kNotSupported = 801;

constexpr unsigned kStreamNonBlocking = 1;
constexpr unsigned kEventDisableTiming = 2;

constexpr int kAttributeTextureAlignment = 14;
constexpr int kAttributeComputeMajor = 75;
constexpr int kAttributeComputeMinor = 76;

enum class MemoryType : unsigned { kHost = 1, kDevice = 2, kArray = 3, kUnified = 4 };

/// CUDA_MEMCPY2D: rows of bytes.
struct Copy2D {
  size_t src_x;
  size_t src_y;
  MemoryType src_type;
  const void* src_host;
  DevicePtr src_device;
  void* src_array;
  size_t src_pitch;
  size_t dst_x;
  size_t dst_y;
  MemoryType dst_type;
  void* dst_host;
  DevicePtr dst_device;
  void* dst_array;
  size_t dst_pitch;
  size_t width;
  size_t height;
};

}  // namespace latentsync::cuda
