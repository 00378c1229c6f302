#pragma once

#include <cstdint>

/// How the values of a row lie in memory, for the CPU loops, the CUDA kernels and whoever must know
/// their size. A value's number counts from the row's beginning, over all components in it.
namespace latentsync::kernels {

enum class SampleType : uint8_t {
  kByte,      ///< 8 bits
  kHigh10,    ///< the upper 10 of 16 bits, little-endian; the rest is written as zero
  kLow10,     ///< the lower 10 of 16 bits, little-endian; the rest is written as zero
  kPacked10,  ///< three in 32 bits, little-endian, the first one lowest; bits 30 and 31 are kept
};

constexpr int bits_of(SampleType type) { return type == SampleType::kByte ? 8 : 10; }

/// Bytes that the addresses of rows are multiples of.
constexpr int unit_bytes(SampleType type) {
  if (type == SampleType::kPacked10) return 4;
  return type == SampleType::kByte ? 1 : 2;
}

/// One value in each T.
struct ByteSamples {
  using T = uint8_t;
  static constexpr int kShift = 0;
  static constexpr int kMost = 255;
};
struct High10Samples {
  using T = uint16_t;
  static constexpr int kShift = 6;
  static constexpr int kMost = 1023;
};
struct Low10Samples {
  using T = uint16_t;
  static constexpr int kShift = 0;
  static constexpr int kMost = 1023;
};

/// Where value `number` of SampleType::kPacked10 lies.
struct PackedPlace {
  int64_t word;
  int shift;
};

#ifdef __CUDACC__
#define LATENTSYNC_INLINE __host__ __device__ inline
#else
#define LATENTSYNC_INLINE inline
#endif

namespace {  // each CPU level keeps its own copy: kernels/cpu/levels.h

LATENTSYNC_INLINE PackedPlace packed_place(int64_t number) {
  // The same as 32 bits: a row of kMostImageEdge pixels has 65536 values.
  const auto small = static_cast<uint32_t>(number);
  const uint32_t word = small / 3;
  return {word, static_cast<int>(10 * (small - 3 * word))};
}

}  // namespace
}  // namespace latentsync::kernels
