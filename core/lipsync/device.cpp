#include "core/lipsync/device.h"

#include "core/nn/packed_ops.h"
#include "kernels/cuda/support.h"

#include <atomic>
#include <charconv>
#include <cstdint>
#include <malloc.h>
#include <mutex>
#include <string_view>
#include <system_error>

#include <ATen/Context.h>
#ifdef LATENTSYNC_HAVE_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#endif

#ifdef LATENTSYNC_HAVE_CUDA
namespace at::cuda {
// As ATen/cuda/CUDAContextLight.h declares it, which needs the headers of cuSOLVER and cuSPARSE.
TORCH_CUDA_CPP_API void clearCublasWorkspaces();
}  // namespace at::cuda
#endif

namespace latentsync::lipsync {
namespace {

#ifdef LATENTSYNC_HAVE_CUDA
constexpr bool kHasKernels = true;
#else
constexpr bool kHasKernels = false;
#endif

constexpr std::string_view kCuda = "cuda";

std::atomic<int64_t> shortages = 0;  // of the process, as LibTorch's allocator is

// Whether the device is a GPU that this build has no code for.
bool is_foreign([[maybe_unused]] int index) {
#ifdef LATENTSYNC_HAVE_CUDA
  return !kernels::has_code_for(index);
#else
  return false;
#endif
}

int cuda_devices() {
  if (!kHasKernels || !at::hasCUDA()) return 0;
  return static_cast<int>(
      at::globalContext().getAcceleratorHooksInterface(at::kCUDA).deviceCount());
}

[[noreturn]] void refuse_name(const std::string& name) {
  throw Error(ErrorCode::kInvalidArgument,
              "There is no device \"" + name + "\": device must be auto, cpu, cuda or cuda:N.");
}

// cuda is the first device; cuda:N the one with this number.
int cuda_index(const std::string& name) {
  const std::string_view text = name;
  if (text == kCuda) return 0;
  if (!text.starts_with("cuda:") || text.size() == kCuda.size() + 1) refuse_name(name);
  const auto digits = text.substr(kCuda.size() + 1);
  int index = -1;
  const auto end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, index);
  if (parsed.ec != std::errc() || parsed.ptr != end || index < 0 || index > 127) refuse_name(name);
  return index;
}

// A UNet of the published width has 1.3 billion weights, in whatever precision they are stored.
bool is_large(const std::filesystem::path& unet) {
  constexpr std::uintmax_t kLarge = 1'000'000'000;
  std::error_code error;
  const auto size = std::filesystem::file_size(unet, error);
  return !error && size >= kLarge;
}

}  // namespace

c10::Device find_device(const std::string& name) {
  if (name == "cpu") return c10::kCPU;
  if (name == "auto") {
    const bool usable = cuda_devices() > 0 && !is_foreign(0);
    return usable ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  }
  const int index = cuda_index(name);
  if (!kHasKernels) {
    throw Error(
        ErrorCode::kDevice,
        "This build of latentsync has no CUDA support. Set device=cpu, or build it with CUDA.");
  }
  const int count = cuda_devices();
  if (count == 0) {
    throw Error(ErrorCode::kDevice,
                "No CUDA device is usable. Check the driver and the GPU with nvidia-smi, or set "
                "device=cpu.");
  }
  if (index >= count) {
    throw Error(ErrorCode::kDevice, "There is no " + name + ": this machine has " +
                                        std::to_string(count) +
                                        " CUDA device(s), numbered from 0.");
  }
  if (is_foreign(index)) {
    throw Error(ErrorCode::kDevice, "This build of latentsync has no code for the GPU " + name +
                                        ". Set device=cpu, or build it with the GPU's compute "
                                        "capability in -Dcuda-archs (docs/building.md).");
  }
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

c10::ScalarType find_precision(Precision precision, c10::Device device,
                               const std::filesystem::path& unet) {
  switch (precision) {
    case Precision::kAuto:
      if (!device.is_cpu()) return c10::kHalf;
      return is_large(unet) && nn::packed::available(device, c10::kBFloat16) ? c10::kBFloat16
                                                                             : c10::kFloat;
    case Precision::kFloat32:
      return c10::kFloat;
    case Precision::kBfloat16:
      return c10::kBFloat16;
    case Precision::kFloat16:
      return c10::kHalf;
  }
  throw Error(ErrorCode::kInvalidArgument, "precision must be auto, float32, bfloat16 or float16.");
}

std::string precision_name(c10::ScalarType dtype) {
  return dtype == c10::kHalf ? "float16" : dtype == c10::kBFloat16 ? "bfloat16" : "float32";
}

int64_t memory_shortages() noexcept { return shortages; }

void count_memory_shortages() {
#ifdef LATENTSYNC_HAVE_CUDA
  static std::once_flag once;
  std::call_once(once, [] {
    at::globalContext().lazyInitDevice(at::kCUDA);
    c10::cuda::CUDACachingAllocator::attachOutOfMemoryObserver(
        [](int64_t, size_t, size_t, size_t) { ++shortages; });
  });
#endif
}

void give_back_memory(c10::Device device, bool workspaces) noexcept {
#ifdef LATENTSYNC_HAVE_CUDA
  try {
    if (device.is_cuda()) {
      if (workspaces) at::cuda::clearCublasWorkspaces();
      c10::cuda::CUDACachingAllocator::emptyCache();
    }
  } catch (...) {
    // A device that fails now has said so before.
  }
#endif
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

void use_exact_arithmetic(c10::Device device) {
  if (device.is_cpu()) return;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto& context = at::globalContext();
  // Windows of other models may be reading these: they are written only where they differ.
  if (context.allowTF32CuBLAS()) context.setAllowTF32CuBLAS(false);
  if (context.allowTF32CuDNN()) context.setAllowTF32CuDNN(false);
  if (context.allowFP16AccumulationCuBLAS()) context.setAllowFP16AccumulationCuBLAS(false);
  constexpr auto kExactSums = at::CuBLASReductionOption::DisallowReducedPrecisionAllowSplitK;
  if (context.allowFP16ReductionCuBLAS() != kExactSums) context.setAllowFP16ReductionCuBLAS(false);
  if (context.allowBF16ReductionCuBLAS() != kExactSums) context.setAllowBF16ReductionCuBLAS(false);
  if (!context.deterministicCuDNN()) context.setDeterministicCuDNN(true);
  // Else whichever algorithm was the quickest when it was tried decides the bits.
  if (context.benchmarkCuDNN()) context.setBenchmarkCuDNN(false);
}

}  // namespace latentsync::lipsync
