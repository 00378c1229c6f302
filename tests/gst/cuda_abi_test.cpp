#include "gst/cuda/driver.h"
#include "gst/cuda/library.h"

#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#if __has_include(<cuda.h>)
#define LATENTSYNC_HAVE_DRIVER_HEADER
#include <cuda.h>
#if __has_include(<gst/cuda/gstcudamemory.h>) && __has_include(<GL/gl.h>)
#define LATENTSYNC_HAVE_LIBRARY_HEADERS
#define GST_USE_UNSTABLE_API
#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>
#endif
#endif

/// What gst/cuda declares by hand of the driver and of GStreamer's CUDA library, which are opened
/// at run time, is as their own headers have it. The stand-in driver has the same declarations.
namespace latentsync::test {
namespace {

/// A function's result and arguments, as far as a caller depends on them: two pointers are alike.
template <typename Type>
std::string passed_as() {
  if constexpr (std::is_void_v<Type>) {
    return "nothing";
  } else {
    const char* kind = std::is_pointer_v<Type> ? "address" : "number";
    static_assert(std::is_pointer_v<Type> || std::is_integral_v<Type> || std::is_enum_v<Type>);
    return kind + std::to_string(sizeof(Type));
  }
}
template <typename Result, typename... Arguments>
std::vector<std::string> signature(Result (*)(Arguments...)) {
  return {passed_as<Result>(), passed_as<Arguments>()...};
}
template <typename Function>
const auto kSignature = signature(static_cast<Function>(nullptr));

#ifdef LATENTSYNC_HAVE_DRIVER_HEADER

TEST(DriverAbi, FunctionsTakeTheSameArguments) {
  const cuda::Driver ours;
  EXPECT_EQ(signature(ours.init), kSignature<decltype(&cuInit)>);
  EXPECT_EQ(signature(ours.device_count), kSignature<decltype(&cuDeviceGetCount)>);
  EXPECT_EQ(signature(ours.retain_primary), kSignature<decltype(&cuDevicePrimaryCtxRetain)>);
  EXPECT_EQ(signature(ours.release_primary), kSignature<decltype(&cuDevicePrimaryCtxRelease)>);
  EXPECT_EQ(signature(ours.push), kSignature<decltype(&cuCtxPushCurrent)>);
  EXPECT_EQ(signature(ours.pop), kSignature<decltype(&cuCtxPopCurrent)>);
  EXPECT_EQ(signature(ours.make_stream), kSignature<decltype(&cuStreamCreate)>);
  EXPECT_EQ(signature(ours.destroy_stream), kSignature<decltype(&cuStreamDestroy)>);
  EXPECT_EQ(signature(ours.wait_for_stream), kSignature<decltype(&cuStreamSynchronize)>);
  EXPECT_EQ(signature(ours.make_event), kSignature<decltype(&cuEventCreate)>);
  EXPECT_EQ(signature(ours.destroy_event), kSignature<decltype(&cuEventDestroy)>);
  EXPECT_EQ(signature(ours.record), kSignature<decltype(&cuEventRecord)>);
  EXPECT_EQ(signature(ours.make_wait), kSignature<decltype(&cuStreamWaitEvent)>);
}

TEST(DriverAbi, NumbersAreTheSame) {
  EXPECT_EQ(cuda::kSuccess, CUDA_SUCCESS);
  EXPECT_EQ(cuda::kInvalidValue, CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuda::kOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuda::kNotInitialized, CUDA_ERROR_NOT_INITIALIZED);
  EXPECT_EQ(cuda::kInvalidDevice, CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(cuda::kInvalidContext, CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(cuda::kInvalidHandle, CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuda::kNotReady, CUDA_ERROR_NOT_READY);
  EXPECT_EQ(cuda::kPeerAccessUnsupported, CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  EXPECT_EQ(cuda::kLaunchFailed, CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_EQ(cuda::kNotSupported, CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(cuda::kStreamNonBlocking, CU_STREAM_NON_BLOCKING);
  EXPECT_EQ(cuda::kEventDisableTiming, CU_EVENT_DISABLE_TIMING);
  EXPECT_EQ(cuda::kAttributeTextureAlignment, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  EXPECT_EQ(cuda::kAttributeComputeMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  EXPECT_EQ(cuda::kAttributeComputeMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  const auto number = [](cuda::MemoryType type) { return static_cast<int>(type); };
  EXPECT_EQ(number(cuda::MemoryType::kHost), CU_MEMORYTYPE_HOST);
  EXPECT_EQ(number(cuda::MemoryType::kDevice), CU_MEMORYTYPE_DEVICE);
  EXPECT_EQ(number(cuda::MemoryType::kArray), CU_MEMORYTYPE_ARRAY);
  EXPECT_EQ(number(cuda::MemoryType::kUnified), CU_MEMORYTYPE_UNIFIED);
  EXPECT_EQ(sizeof(cuda::DevicePtr), sizeof(CUdeviceptr));
  EXPECT_EQ(sizeof(cuda::Device), sizeof(CUdevice));
  EXPECT_EQ(sizeof(cuda::Result), sizeof(CUresult));
}

TEST(DriverAbi, CopiesAreLaidOutTheSame) {
  using Ours = cuda::Copy2D;
  EXPECT_EQ(sizeof(Ours), sizeof(CUDA_MEMCPY2D));
#define LATENTSYNC_SAME_PLACE(ours, theirs)                                  \
  EXPECT_EQ(offsetof(Ours, ours), offsetof(CUDA_MEMCPY2D, theirs)) << #ours; \
  EXPECT_EQ(sizeof(Ours::ours), sizeof(CUDA_MEMCPY2D::theirs)) << #ours
  LATENTSYNC_SAME_PLACE(src_x, srcXInBytes);
  LATENTSYNC_SAME_PLACE(src_y, srcY);
  LATENTSYNC_SAME_PLACE(src_type, srcMemoryType);
  LATENTSYNC_SAME_PLACE(src_host, srcHost);
  LATENTSYNC_SAME_PLACE(src_device, srcDevice);
  LATENTSYNC_SAME_PLACE(src_array, srcArray);
  LATENTSYNC_SAME_PLACE(src_pitch, srcPitch);
  LATENTSYNC_SAME_PLACE(dst_x, dstXInBytes);
  LATENTSYNC_SAME_PLACE(dst_y, dstY);
  LATENTSYNC_SAME_PLACE(dst_type, dstMemoryType);
  LATENTSYNC_SAME_PLACE(dst_host, dstHost);
  LATENTSYNC_SAME_PLACE(dst_device, dstDevice);
  LATENTSYNC_SAME_PLACE(dst_array, dstArray);
  LATENTSYNC_SAME_PLACE(dst_pitch, dstPitch);
  LATENTSYNC_SAME_PLACE(width, WidthInBytes);
  LATENTSYNC_SAME_PLACE(height, Height);
#undef LATENTSYNC_SAME_PLACE
}

#else
TEST(DriverAbi, NeedsTheDriversHeader) { GTEST_SKIP() << "cuda.h was not found: a toolkit has it"; }
#endif

#ifdef LATENTSYNC_HAVE_LIBRARY_HEADERS

TEST(LibraryAbi, FunctionsTakeTheSameArguments) {
  const cuda::Library ours;
  EXPECT_EQ(signature(ours.load), kSignature<decltype(&gst_cuda_load_library)>);
  EXPECT_EQ(signature(ours.init_memory), kSignature<decltype(&gst_cuda_memory_init_once)>);
  EXPECT_EQ(signature(ours.wrap), kSignature<decltype(&gst_cuda_context_new_wrapped)>);
  EXPECT_EQ(signature(ours.handle_of), kSignature<decltype(&gst_cuda_context_get_handle)>);
  EXPECT_EQ(signature(ours.context_type), kSignature<decltype(&gst_cuda_context_get_type)>);
  EXPECT_EQ(signature(ours.new_context), kSignature<decltype(&gst_context_new_cuda_context)>);
  EXPECT_EQ(signature(ours.answer_context), kSignature<decltype(&gst_cuda_handle_context_query)>);
  EXPECT_EQ(signature(ours.is_memory), kSignature<decltype(&gst_is_cuda_memory)>);
  EXPECT_EQ(signature(ours.pool_type), kSignature<decltype(&gst_cuda_buffer_pool_get_type)>);
  EXPECT_EQ(signature(ours.new_pool), kSignature<decltype(&gst_cuda_buffer_pool_new)>);
#if GST_CHECK_VERSION(1, 24, 0)
  EXPECT_EQ(signature(ours.stream_of), kSignature<decltype(&gst_cuda_memory_get_stream)>);
  EXPECT_EQ(signature(ours.stream_handle), kSignature<decltype(&gst_cuda_stream_get_handle)>);
#endif
}

TEST(LibraryAbi, ContextsLieInTheSamePlaces) {
  EXPECT_EQ(offsetof(cuda::Memory, context), offsetof(GstCudaMemory, context));
  EXPECT_EQ(offsetof(cuda::Pool, context), offsetof(GstCudaBufferPool, context));
}

TEST(LibraryAbi, NamesAndFlagsAreTheSame) {
  EXPECT_STREQ(cuda::kContextType, GST_CUDA_CONTEXT_TYPE);
  EXPECT_STREQ(cuda::kMemoryFeature, GST_CAPS_FEATURE_MEMORY_CUDA_MEMORY);
  EXPECT_STREQ(cuda::kMemoryType, GST_CUDA_MEMORY_TYPE_NAME);
  EXPECT_EQ(static_cast<int>(cuda::kMapDevice), static_cast<int>(GST_MAP_CUDA));
}

#else
TEST(LibraryAbi, NeedsTheLibrarysHeaders) {
  GTEST_SKIP() << "gst/cuda, cuda.h or GL/gl.h was not found: libgstreamer-plugins-bad1.0-dev, a "
                  "CUDA toolkit and libgl-dev have them";
}
#endif

}  // namespace
}  // namespace latentsync::test
