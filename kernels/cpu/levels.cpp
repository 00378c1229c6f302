#include "kernels/cpu/levels.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace latentsync::kernels {
namespace {

CpuLevel detect() {
  __builtin_cpu_init();
  auto level = CpuLevel::kBaseline;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) level = CpuLevel::kAvx2;
  if (level == CpuLevel::kAvx2 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    level = CpuLevel::kAvx512;
  }
  const char* given = std::getenv("LATENTSYNC_CPU_LEVEL");
  const std::string_view wanted = given != nullptr ? given : "";
  if (wanted == "baseline") level = CpuLevel::kBaseline;
  if (wanted == "avx2") level = std::min(level, CpuLevel::kAvx2);
  return level;
}

}  // namespace

CpuLevel cpu_level() {
  static const CpuLevel level = detect();
  return level;
}

}  // namespace latentsync::kernels
