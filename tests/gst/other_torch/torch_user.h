#pragma once

#include <cstdint>

/// What an application does with a LibTorch of its own. The library is opened by name: it is linked
/// to another LibTorch than the engine's.
struct TorchUser {
  /// Settings that are not the defaults: threads, TensorFloat-32, precision of matrix products.
  void (*choose_settings)();
  /// A hash of those settings, and of what an engine might change besides.
  uint64_t (*settings)();
  /// A hash of the bits of a matrix product and a convolution.
  uint64_t (*results)();
};

/// extern "C" in libother-torch-user.so.
using TorchUserEntry = const TorchUser* (*)();
inline constexpr char kTorchUserEntry[] = "latentsync_torch_user";
