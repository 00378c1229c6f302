#include "tests/gst/cuda_stub/control.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

extern "C" {
using namespace latentsync::cuda;
Result cuInit(unsigned flags);
Result cuCtxCreate_v2(Context* context, unsigned flags, Device device);
Result cuCtxDestroy_v2(Context context);
Result cuCtxPopCurrent_v2(Context* context);
Result cuCtxPushCurrent_v2(Context context);
Result cuDevicePrimaryCtxRetain(Context* context, Device device);
Result cuDevicePrimaryCtxRelease_v2(Device device);
Result cuStreamCreate(Stream* stream, unsigned flags);
Result cuStreamDestroy_v2(Stream stream);
Result cuStreamSynchronize(Stream stream);
Result cuStreamWaitEvent(Stream stream, Event event, unsigned flags);
Result cuEventCreate(Event* event, unsigned flags);
Result cuEventDestroy_v2(Event event);
Result cuEventRecord(Event event, Stream stream);
Result cuEventQuery(Event event);
Result cuEventSynchronize(Event event);
Result cuMemAlloc_v2(DevicePtr* address, size_t bytes);
Result cuMemFree_v2(DevicePtr address);
Result cuMemcpyHtoDAsync_v2(DevicePtr to, const void* from, size_t bytes, Stream stream);
Result cuMemcpyDtoHAsync_v2(void* to, DevicePtr from, size_t bytes, Stream stream);
Result cuMemcpyDtoH_v2(void* to, DevicePtr from, size_t bytes);
Result cuMemcpyDtoD_v2(DevicePtr to, DevicePtr from, size_t bytes);
}

/// The stand-in driver notices what CUDA does not promise to work.
namespace latentsync::cuda_stub {
namespace {

using Bytes = std::array<uint8_t, 64>;

Bytes bytes_of(uint8_t value) {
  Bytes bytes;
  bytes.fill(value);
  return bytes;
}

/// One context with some memory and two streams that nothing orders.
class CudaStub : public testing::Test {
 protected:
  void SetUp() override {
    reset();
    ASSERT_EQ(cuInit(0), kSuccess);
    ASSERT_EQ(cuCtxCreate_v2(&context_, 0, 0), kSuccess);
    ASSERT_EQ(cuMemAlloc_v2(&memory_, sizeof(Bytes)), kSuccess);
    ASSERT_EQ(cuStreamCreate(&first_, kStreamNonBlocking), kSuccess);
    ASSERT_EQ(cuStreamCreate(&second_, kStreamNonBlocking), kSuccess);
    ASSERT_EQ(cuEventCreate(&event_, kEventDisableTiming), kSuccess);
  }
  void TearDown() override {
    EXPECT_EQ(cuEventDestroy_v2(event_), kSuccess);
    EXPECT_EQ(cuStreamDestroy_v2(first_), kSuccess);
    EXPECT_EQ(cuStreamDestroy_v2(second_), kSuccess);
    if (memory_ != 0) {
      EXPECT_EQ(cuMemFree_v2(memory_), kSuccess);
    }
    EXPECT_EQ(cuCtxDestroy_v2(context_), kSuccess);
    EXPECT_EQ(live(), Live{});
  }

  Result fill(Stream stream) {
    return cuMemcpyHtoDAsync_v2(memory_, source_.data(), source_.size(), stream);
  }
  Result read(Stream stream) {
    return cuMemcpyDtoHAsync_v2(target_.data(), memory_, target_.size(), stream);
  }

  Context context_ = nullptr;
  DevicePtr memory_ = 0;
  Stream first_ = nullptr;
  Stream second_ = nullptr;
  Event event_ = nullptr;
  Bytes source_ = bytes_of(7);
  Bytes target_ = bytes_of(0);
};

// Work is done when somebody waits for it, not before.
TEST_F(CudaStub, WorkIsLate) {
  ASSERT_EQ(fill(first_), kSuccess);
  ASSERT_EQ(read(first_), kSuccess);
  EXPECT_EQ(target_, bytes_of(0));
  ASSERT_EQ(cuStreamSynchronize(first_), kSuccess);
  EXPECT_EQ(target_, source_);
  EXPECT_TRUE(violations().empty());
}

// A stream that another one does not wait for is behind it.
TEST_F(CudaStub, AMissingEventWaitIsNoticed) {
  ASSERT_EQ(fill(first_), kSuccess);
  ASSERT_EQ(read(second_), kSuccess);
  ASSERT_EQ(cuStreamSynchronize(second_), kSuccess);
  EXPECT_NE(target_, source_);
  ASSERT_EQ(violations().size(), 1u);
  EXPECT_EQ(violations()[0], "a read that is not ordered after the write before it");
}

TEST_F(CudaStub, AnEventOrdersStreams) {
  ASSERT_EQ(fill(first_), kSuccess);
  ASSERT_EQ(cuEventRecord(event_, first_), kSuccess);
  ASSERT_EQ(cuStreamWaitEvent(second_, event_, 0), kSuccess);
  ASSERT_EQ(read(second_), kSuccess);
  ASSERT_EQ(cuStreamSynchronize(second_), kSuccess);
  EXPECT_EQ(target_, source_);
  EXPECT_TRUE(violations().empty());
}

// An event that was recorded before the work does not order it.
TEST_F(CudaStub, AnEventThatIsTooEarlyIsNoticed) {
  ASSERT_EQ(cuEventRecord(event_, first_), kSuccess);
  ASSERT_EQ(fill(first_), kSuccess);
  ASSERT_EQ(cuStreamWaitEvent(second_, event_, 0), kSuccess);
  ASSERT_EQ(read(second_), kSuccess);
  EXPECT_EQ(violations().size(), 1u);
}

TEST_F(CudaStub, AWriteBesideAReadIsNoticed) {
  ASSERT_EQ(fill(first_), kSuccess);
  ASSERT_EQ(cuStreamSynchronize(first_), kSuccess);
  ASSERT_EQ(read(first_), kSuccess);
  ASSERT_EQ(fill(second_), kSuccess);
  ASSERT_EQ(violations().size(), 1u);
  EXPECT_EQ(violations()[0], "a write that is not ordered after the reads before it");
}

// A host's wait orders what is enqueued afterwards; asking once does not.
TEST_F(CudaStub, AHostOrdersStreams) {
  ASSERT_EQ(fill(first_), kSuccess);
  ASSERT_EQ(cuEventRecord(event_, first_), kSuccess);
  EXPECT_EQ(cuEventQuery(event_), kNotReady);
  EXPECT_EQ(cuEventQuery(event_), kSuccess);
  ASSERT_EQ(read(second_), kSuccess);
  ASSERT_EQ(cuStreamSynchronize(second_), kSuccess);
  EXPECT_EQ(target_, source_);
  EXPECT_TRUE(violations().empty());
}

// The legacy default stream is ordered with blocking streams alone, and a copy within the device
// does not wait for it.
TEST_F(CudaStub, TheLegacyStreamIsOrderedWithBlockingStreams) {
  Stream blocking = nullptr;
  DevicePtr other = 0;
  ASSERT_EQ(cuStreamCreate(&blocking, 0), kSuccess);
  ASSERT_EQ(cuMemAlloc_v2(&other, sizeof(Bytes)), kSuccess);
  ASSERT_EQ(fill(blocking), kSuccess);
  ASSERT_EQ(cuMemcpyDtoD_v2(other, memory_, sizeof(Bytes)), kSuccess);
  EXPECT_TRUE(violations().empty());
  EXPECT_EQ(calls("wait"), 0);
  ASSERT_EQ(cuMemcpyDtoHAsync_v2(target_.data(), other, sizeof(Bytes), first_), kSuccess);
  EXPECT_EQ(violations().size(), 1u);
  ASSERT_EQ(cuMemcpyDtoH_v2(target_.data(), other, sizeof(Bytes)), kSuccess);
  EXPECT_EQ(target_, source_);
  ASSERT_EQ(cuMemFree_v2(other), kSuccess);
  ASSERT_EQ(cuStreamDestroy_v2(blocking), kSuccess);
}

TEST_F(CudaStub, AUseAfterFreeIsNoticed) {
  ASSERT_EQ(cuMemFree_v2(memory_), kSuccess);
  ASSERT_EQ(fill(first_), kSuccess);
  memory_ = 0;
  ASSERT_EQ(violations().size(), 1u);
  EXPECT_EQ(violations()[0], "a write of memory that was freed");
}

TEST_F(CudaStub, ForeignMemoryIsNoticed) {
  Context other = nullptr;
  Stream stream = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&other, 0, 0), kSuccess);
  ASSERT_EQ(cuStreamCreate(&stream, 0), kSuccess);
  ASSERT_EQ(fill(stream), kSuccess);
  ASSERT_EQ(violations().size(), 1u);
  EXPECT_EQ(violations()[0], "a write of memory of another context");
  ASSERT_EQ(cuStreamDestroy_v2(stream), kSuccess);
  ASSERT_EQ(cuCtxDestroy_v2(other), kSuccess);
}

// Outside of copies and kernels an address in device memory cannot be used.
TEST_F(CudaStub, AHostCannotTouchDeviceMemory) {
  auto* address = reinterpret_cast<volatile uint8_t*>(memory_);
  EXPECT_DEATH(*address = 1, "");
  EXPECT_DEATH(static_cast<void>(*address), "");
}

TEST_F(CudaStub, KernelsReachWhatTheyAreGiven) {
  const auto add = [&](Stream stream) {
    return launch(stream, {{reinterpret_cast<const void*>(memory_), sizeof(Bytes), true}},
                  [](std::span<uint8_t* const> memory) {
                    for (size_t at = 0; at < sizeof(Bytes); ++at) ++memory[0][at];
                  });
  };
  ASSERT_EQ(fill(first_), kSuccess);
  ASSERT_EQ(add(first_), kSuccess);
  ASSERT_EQ(read(first_), kSuccess);
  ASSERT_EQ(cuStreamSynchronize(first_), kSuccess);
  EXPECT_EQ(target_, bytes_of(8));
  EXPECT_TRUE(violations().empty());
  ASSERT_EQ(launch(first_, {{reinterpret_cast<const void*>(memory_ + 4096), 1, false}}, nullptr),
            kSuccess);
  EXPECT_EQ(violations().size(), 1u);
  lose_device(0);
  EXPECT_EQ(cuStreamSynchronize(first_), kLaunchFailed);
  restore_devices();
}

TEST_F(CudaStub, CallsFailOnDemand) {
  fail("cuMemAlloc", kOutOfMemory, 1, 2);
  DevicePtr address[4] = {};
  EXPECT_EQ(cuMemAlloc_v2(&address[0], 1), kSuccess);
  EXPECT_EQ(cuMemAlloc_v2(&address[1], 1), kOutOfMemory);
  EXPECT_EQ(cuMemAlloc_v2(&address[2], 1), kOutOfMemory);
  EXPECT_EQ(cuMemAlloc_v2(&address[3], 1), kSuccess);
  EXPECT_EQ(calls("cuMemAlloc"), 5);
  EXPECT_EQ(live().allocations, 3);
  EXPECT_EQ(cuMemFree_v2(address[0]), kSuccess);
  EXPECT_EQ(cuMemFree_v2(address[3]), kSuccess);
}

// Streams and events that are not destroyed before their context are leaks.
TEST_F(CudaStub, WhatIsLeftInAContextIsNoticed) {
  Context other = nullptr;
  Stream stream = nullptr;
  Event event = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&other, 0, 0), kSuccess);
  ASSERT_EQ(cuStreamCreate(&stream, 0), kSuccess);
  ASSERT_EQ(cuEventCreate(&event, 0), kSuccess);
  ASSERT_EQ(cuCtxDestroy_v2(other), kSuccess);
  EXPECT_EQ(violations().size(), 2u);
}

// A primary context that is given up while memory in it is used would take the memory with it.
TEST_F(CudaStub, PrimaryContextsAreCounted) {
  Context primary = nullptr;
  DevicePtr address = 0;
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&primary, 1), kSuccess);
  EXPECT_EQ(live().retained, 1);
  ASSERT_EQ(cuCtxPushCurrent_v2(primary), kSuccess);
  ASSERT_EQ(cuMemAlloc_v2(&address, 1), kSuccess);
  ASSERT_EQ(cuCtxPopCurrent_v2(nullptr), kSuccess);
  ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(1), kSuccess);
  EXPECT_EQ(violations().size(), 1u);
}

TEST_F(CudaStub, LeaksAreCounted) {
  const Live before = live();
  Stream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, 0), kSuccess);
  EXPECT_EQ(live().streams, before.streams + 1);
  ASSERT_EQ(cuStreamDestroy_v2(stream), kSuccess);
  EXPECT_EQ(live(), before);
  EXPECT_EQ(device_bytes(), int64_t{sizeof(Bytes)});
}

}  // namespace
}  // namespace latentsync::cuda_stub
