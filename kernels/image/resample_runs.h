#pragma once

/// How the loops of resample_loops.cpp lay taps into vectors; for that file alone, which is
/// compiled once per CPU level.

// Vectors wider than the level's registers are passed between functions of one file alone.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL {
namespace {

using Float4 __attribute__((vector_size(16))) = float;
using Float8 __attribute__((vector_size(32))) = float;
using Float16 __attribute__((vector_size(64))) = float;

// At any address: as a template's argument a vector type would lose a lower alignment.
template <typename VectorType>
VectorType load(const float* at) {
  VectorType vector;
  __builtin_memcpy(&vector, at, sizeof(vector));
  return vector;
}

template <typename VectorType>
void store(const VectorType& vector, float* at) {
  __builtin_memcpy(at, &vector, sizeof(vector));
}

Float8 halved(const Float16& v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
         __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
}

Float4 halved(const Float8& v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
}

// kTaps taps in a vector of kFloats, a tile's samples side by side; what is left of the vector is
// unused. widen() gives each tap's weight to all of its lanes and zero to the rest (it may read
// eight weights); finish() adds up the taps and writes the lanes, and up to kLineSlack floats
// behind them. Shuffles keep a vector's size where they are more than halves: others are compiled
// to single floats.
template <int kLanes, int kFloats>
struct Run;

template <>
struct Run<1, 4> {
  using Vector = Float4;
  static constexpr int kTaps = 4;
  static Float4 widen(const float* weights) { return load<Float4>(weights); }
  static void finish(const Float4& v, float* out) { *out = (v[0] + v[1]) + (v[2] + v[3]); }
};

template <>
struct Run<1, 8> {
  using Vector = Float8;
  static constexpr int kTaps = 8;
  static Float8 widen(const float* weights) { return load<Float8>(weights); }
  static void finish(const Float8& v, float* out) { Run<1, 4>::finish(halved(v), out); }
};

template <>
struct Run<2, 4> {
  using Vector = Float4;
  static constexpr int kTaps = 2;
  static Float4 widen(const float* weights) {
    const auto w = load<Float4>(weights);
    return __builtin_shufflevector(w, w, 0, 0, 1, 1);
  }
  static void finish(const Float4& v, float* out) {
    store(v + __builtin_shufflevector(v, v, 2, 3, 0, 1), out);
  }
};

template <>
struct Run<2, 8> {
  using Vector = Float8;
  static constexpr int kTaps = 4;
  static Float8 widen(const float* weights) {
    const auto w = load<Float8>(weights);
    return __builtin_shufflevector(w, w, 0, 0, 1, 1, 2, 2, 3, 3);
  }
  static void finish(const Float8& v, float* out) { Run<2, 4>::finish(halved(v), out); }
};

template <>
struct Run<2, 16> {
  using Vector = Float16;
  static constexpr int kTaps = 8;
  static Float16 widen(const float* weights) {
    const auto w = load<Float8>(weights);
    return __builtin_shufflevector(w, w, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  }
  static void finish(const Float16& v, float* out) { Run<2, 8>::finish(halved(v), out); }
};

template <>
struct Run<3, 4> {
  using Vector = Float4;
  static constexpr int kTaps = 1;
  static Float4 widen(const float* weights) {
    return Float4{weights[0], weights[0], weights[0], weights[0]};
  }
  static void finish(const Float4& v, float* out) { store(v, out); }
};

template <>
struct Run<3, 8> {
  using Vector = Float8;
  static constexpr int kTaps = 2;
  static Float8 widen(const float* weights) {
    const auto w = load<Float8>(weights);
    return __builtin_shufflevector(w, Float8{}, 0, 0, 0, 1, 1, 1, 8, 8);
  }
  static void finish(const Float8& v, float* out) {
    const Float8 sum = v + __builtin_shufflevector(v, v, 3, 4, 5, 6, 7, 0, 1, 2);
    store(__builtin_shufflevector(sum, sum, 0, 1, 2, 3), out);
  }
};

template <>
struct Run<3, 16> {
  using Vector = Float16;
  static constexpr int kTaps = 5;
  static Float16 widen(const float* weights) {
    const auto w = load<Float8>(weights);
    return __builtin_shufflevector(w, Float8{}, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 8);
  }
  static void finish(const Float16& v, float* out) {
    store(
        (__builtin_shufflevector(v, v, 0, 1, 2, 15) + __builtin_shufflevector(v, v, 3, 4, 5, 15)) +
            (__builtin_shufflevector(v, v, 6, 7, 8, 15) +
             __builtin_shufflevector(v, v, 9, 10, 11, 15)) +
            __builtin_shufflevector(v, v, 12, 13, 14, 15),
        out);
  }
};

template <>
struct Run<4, 4> : Run<3, 4> {};

template <>
struct Run<4, 8> {
  using Vector = Float8;
  static constexpr int kTaps = 2;
  static Float8 widen(const float* weights) {
    const auto w = load<Float8>(weights);
    return __builtin_shufflevector(w, w, 0, 0, 0, 0, 1, 1, 1, 1);
  }
  static void finish(const Float8& v, float* out) { store(halved(v), out); }
};

template <>
struct Run<4, 16> {
  using Vector = Float16;
  static constexpr int kTaps = 4;
  static Float16 widen(const float* weights) {
    const auto w = load<Float8>(weights);
    return __builtin_shufflevector(w, w, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  }
  static void finish(const Float16& v, float* out) { Run<4, 8>::finish(halved(v), out); }
};

// What suits the level's registers. RunOfFour is for filters of four taps.
#if defined(__AVX512F__)
template <int kLanes>
using RunOfMany = Run<kLanes, kLanes == 2 || kLanes == 3 ? 16 : 8>;
template <int kLanes>
struct RunOfFour : Run<kLanes, 4 * kLanes> {};
template <>
struct RunOfFour<3> : Run<3, 16> {
  static constexpr int kTaps = 4;
  static Float16 widen(const float* weights) {  // what follows the fourth is no zero
    const auto w = load<Float8>(weights);
    return __builtin_shufflevector(w, Float8{}, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 8, 8, 8, 8);
  }
};
#elif defined(__AVX2__)
template <int kLanes>
using RunOfMany = Run<kLanes, 8>;
template <int kLanes>
using RunOfFour = Run<kLanes, kLanes == 1 ? 4 : 8>;
#else
template <int kLanes>
using RunOfMany = Run<kLanes, 4>;
template <int kLanes>
using RunOfFour = Run<kLanes, 4>;
#endif

}  // namespace
}  // namespace latentsync::kernels::LATENTSYNC_CPU_LEVEL
