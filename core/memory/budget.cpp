#include "core/memory/budget.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>

namespace latentsync::memory {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMiB = 1 << 20;

// The number that a file begins with; "max", which stands for no limit, is none.
std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream stream(file);
  int64_t number = 0;
  if (!(stream >> number) || number < 0) return std::nullopt;
  return number;
}

// "NAME   123 kB", or "NAME 123".
std::optional<int64_t> field_in(const fs::path& file, std::string_view name) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string word, unit;
    int64_t number = 0;
    if (words >> word >> number && word == name) {
      words >> unit;
      return unit == "kB" ? number * 1024 : number;
    }
  }
  return std::nullopt;
}

// The file names of a version of control groups.
struct GroupFiles {
  const char* limit;
  const char* used;
  const char* file_pages;  // of memory.stat: those that are given back first
};

void apply_group(const fs::path& group, const GroupFiles& files, DeviceMemory& memory) {
  const auto limit = number_in(group / files.limit);
  if (!limit) return;
  const auto used = number_in(group / files.used).value_or(0);
  const auto pages = field_in(group / "memory.stat", files.file_pages).value_or(0);
  const int64_t left = std::max<int64_t>(0, *limit - std::max<int64_t>(0, used - pages));
  // Version 1 has a huge number for "no limit".
  if (memory.total < 0 || *limit < memory.total) memory.total = *limit;
  if (memory.free < 0 || left < memory.free) memory.free = left;
}

// The group that GROUP, a path, names below MOUNT, and those around it. A container may see its own
// group as the mount's root under the path that the host has for it.
void apply_groups(const fs::path& mount, fs::path group, const GroupFiles& files,
                  DeviceMemory& memory) {
  for (group = group.relative_path(); !group.empty(); group = group.parent_path()) {
    apply_group(mount / group, files, memory);
  }
  apply_group(mount, files, memory);
}

double automatic_share(MemoryMode mode) {
  switch (mode) {
    case MemoryMode::kConservative:
      return 0.6;
    case MemoryMode::kBalanced:
      return 0.8;
    case MemoryMode::kAggressive:
      break;
  }
  return 0.9;
}

int64_t part_of(int64_t bytes, double part) {
  return static_cast<int64_t>(static_cast<double>(bytes) * part);
}

}  // namespace

DeviceMemory system_memory(const fs::path& root) {
  DeviceMemory memory{.total = field_in(root / "proc/meminfo", "MemTotal:").value_or(-1),
                      .free = field_in(root / "proc/meminfo", "MemAvailable:").value_or(-1)};
  const fs::path mount = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "0::/path" of version 2, "5:memory:/path" of version 1.
    const auto first = line.find(':');
    const auto second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path path = line.substr(second + 1);
    if (controllers.empty()) {
      apply_groups(mount, path, {"memory.max", "memory.current", "inactive_file"}, memory);
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      apply_groups(mount / "memory", path,
                   {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
                   memory);
    }
  }
  return memory;
}

DeviceMemory device_memory(c10::Device device, int64_t held) {
  if (device.is_cpu()) {
    auto memory = system_memory();
    if (memory.free >= 0) memory.free += held;
    return memory;
  }
  at::globalContext().lazyInitDevice(device.type());
  auto* const allocator = c10::getDeviceAllocator(device.type());
  const auto [free, total] = allocator->getMemoryInfo(device.index());
  const auto stats = allocator->getDeviceStats(device.index());
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return {.total = static_cast<int64_t>(total),
          .free = static_cast<int64_t>(free) + stats.reserved_bytes[kAll].current};
}

int64_t budget_of(const MemorySettings& settings, const DeviceMemory& memory, bool cpu) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const int64_t free = memory.free < 0 ? kMost : memory.free;
  int64_t budget = 0;
  if (settings.vram_budget > 0) {
    budget = settings.vram_budget > kMost / kMiB ? kMost : settings.vram_budget * kMiB;
  } else if (settings.vram_budget < 0) {
    if (memory.free < 0 || settings.vram_budget < -(memory.free / kMiB)) return 0;
    budget = memory.free + settings.vram_budget * kMiB;
  } else if (settings.vram_fraction > 0) {
    budget = memory.total < 0 ? 0 : part_of(memory.total, settings.vram_fraction);
  } else if (memory.free >= 0) {
    budget = cpu ? memory.free : part_of(memory.free, automatic_share(settings.memory_mode));
  }
  return std::min(budget, free);
}

}  // namespace latentsync::memory
