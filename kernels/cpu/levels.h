#pragma once

/// Instruction-set levels of the CPU loops.
///
/// A file named *_loops.cpp is compiled once per level, with LATENTSYNC_CPU_LEVEL naming the
/// namespace that its functions lie in. Such a file includes neither ATen nor the standard
/// containers: an inline function of theirs, compiled for a newer CPU, could be the copy that the
/// linker keeps for all.
namespace latentsync::kernels {

enum class CpuLevel { kBaseline, kAvx2, kAvx512 };

/// The highest level that this CPU has, found once. $LATENTSYNC_CPU_LEVEL = baseline, avx2 or
/// avx512 lowers it (never raises it).
CpuLevel cpu_level();

/// Calls the copy of NAME(arguments...) that suits this CPU. NAME is declared in all three level
/// namespaces.
#define LATENTSYNC_CPU_DISPATCH(NAME, ...)                  \
  do {                                                      \
    switch (::latentsync::kernels::cpu_level()) {           \
      case ::latentsync::kernels::CpuLevel::kAvx512:        \
        ::latentsync::kernels::avx512::NAME(__VA_ARGS__);   \
        break;                                              \
      case ::latentsync::kernels::CpuLevel::kAvx2:          \
        ::latentsync::kernels::avx2::NAME(__VA_ARGS__);     \
        break;                                              \
      case ::latentsync::kernels::CpuLevel::kBaseline:      \
        ::latentsync::kernels::baseline::NAME(__VA_ARGS__); \
        break;                                              \
    }                                                       \
  } while (false)

/// Declares a function in all three level namespaces.
#define LATENTSYNC_CPU_DECLARE(...) \
  namespace avx512 {                \
  __VA_ARGS__;                      \
  }                                 \
  namespace avx2 {                  \
  __VA_ARGS__;                      \
  }                                 \
  namespace baseline {              \
  __VA_ARGS__;                      \
  }

}  // namespace latentsync::kernels
