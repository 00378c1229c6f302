#pragma once

#include "core/memory/account.h"

#include <memory>

/// Tensors on LibTorch's meta device, which have shapes and no memory, counted as if they had.
namespace latentsync::memory {

/// What an allocation of a tensor's bytes takes.
enum class Rounding {
  kNone,     ///< system memory: the bytes
  kCaching,  ///< LibTorch's allocator of CUDA memory: multiples of 512 bytes, from 10 MiB on
             ///< segments of whole 2 MiB
};

/// BYTES, rounded up.
int64_t rounded(int64_t bytes, Rounding rounding);

/// While it lives, what this thread allocates on the meta device is charged to ACCOUNT until it is
/// freed; the innermost scope counts. The first scope of a process replaces LibTorch's allocator of
/// the meta device for good and teaches it those operators of the networks that have no meta kernel
/// in LibTorch: convolution, layer norm, scaled dot-product attention, index_select, relu, prelu,
/// where, abs. Their results are those of the CUDA kernels, the temporaries that these hold
/// included.
class MetaScope {
 public:
  MetaScope(std::shared_ptr<Account> account, Rounding rounding);
  MetaScope(const MetaScope&) = delete;
  MetaScope& operator=(const MetaScope&) = delete;
  ~MetaScope();

  /// Of this thread's innermost scope; kNone without one.
  static Rounding rounding() noexcept;

 private:
  friend class MetaAllocator;

  std::shared_ptr<Account> account_;
  Rounding rounding_;
  const MetaScope* before_;
};

}  // namespace latentsync::memory
