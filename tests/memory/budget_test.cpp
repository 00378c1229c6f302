#include "core/memory/budget.h"

#include "tests/support/temporary_folder.h"

#include <fstream>

#include <gtest/gtest.h>

namespace latentsync::memory {
namespace {

constexpr int64_t kMiB = 1 << 20;

/// A machine's files.
class SystemMemory : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void write_machine() {
    write(
        "proc/meminfo",
        "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n");
  }
  DeviceMemory read() const { return system_memory(folder_.path()); }

  test::TemporaryFolder folder_;
};

TEST_F(SystemMemory, IsWhatTheMachineHas) {
  write_machine();
  EXPECT_EQ(read().total, 16384 * kMiB);
  EXPECT_EQ(read().free, 8192 * kMiB);
}

TEST_F(SystemMemory, IsUnknownWhereNobodySaysIt) {
  EXPECT_EQ(read().total, -1);
  EXPECT_EQ(read().free, -1);
}

TEST_F(SystemMemory, OfVersionTwoIsLimitedByTheGroupAndThoseAroundIt) {
  write_machine();
  write("proc/self/cgroup", "0::/job/step\n");
  write("sys/fs/cgroup/job/memory.max", std::to_string(2048 * kMiB) + "\n");
  write("sys/fs/cgroup/job/memory.current", std::to_string(1024 * kMiB) + "\n");
  write("sys/fs/cgroup/job/memory.stat",
        "anon 1\ninactive_file " + std::to_string(256 * kMiB) + "\n");
  write("sys/fs/cgroup/job/step/memory.max", "max\n");
  EXPECT_EQ(read().total, 2048 * kMiB);
  EXPECT_EQ(read().free, 1280 * kMiB);
}

TEST_F(SystemMemory, OfAContainerIsLimitedByTheMountsRoot) {
  write_machine();
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", std::to_string(512 * kMiB) + "\n");
  write("sys/fs/cgroup/memory.current", std::to_string(512 * kMiB) + "\n");
  EXPECT_EQ(read().total, 512 * kMiB);
  EXPECT_EQ(read().free, 0);
}

TEST_F(SystemMemory, OfVersionOneIsLimited) {
  write_machine();
  write("proc/self/cgroup", "7:cpu,cpuacct:/a\n5:memory:/a\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(1024 * kMiB) + "\n");
  write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", std::to_string(24 * kMiB) + "\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(read().total, 1024 * kMiB);
  EXPECT_EQ(read().free, 1000 * kMiB);
}

TEST(SystemMemoryHere, IsKnown) {
  const auto memory = device_memory(c10::kCPU);
  EXPECT_GT(memory.total, 0);
  EXPECT_GE(memory.free, 0);
  EXPECT_GE(device_memory(c10::kCPU, 1024 * kMiB * kMiB).free, 1024 * kMiB * kMiB);
}

struct BudgetCase {
  MemorySettings settings;
  DeviceMemory memory;
  bool cpu;
  int64_t mib;
};

TEST(Budget, IsWhatTheSettingsGive) {
  const DeviceMemory card{.total = 1000 * kMiB, .free = 500 * kMiB};
  const DeviceMemory unknown;
  const BudgetCase cases[] = {
      {{.vram_budget = 300}, card, false, 300},
      {{.vram_budget = 800}, card, false, 500},
      {{.vram_budget = 300}, unknown, false, 300},
      {{.vram_budget = -200}, card, false, 300},
      {{.vram_budget = -501}, card, false, 0},
      {{.vram_budget = -200}, unknown, false, 0},
      {{.vram_fraction = 0.25}, card, false, 250},
      {{.vram_fraction = 0.75}, card, false, 500},
      {{.vram_fraction = 0.25}, unknown, false, 0},
      // The cap is nearer to what was meant than the fraction.
      {{.vram_fraction = 0.25, .vram_budget = 300}, card, false, 300},
      {{.memory_mode = MemoryMode::kConservative}, card, false, 300},
      {{}, card, false, 400},
      {{.memory_mode = MemoryMode::kAggressive}, card, false, 450},
      {{}, card, true, 500},
      {{.vram_budget = 300}, card, true, 300},
  };
  for (const auto& item : cases) {
    EXPECT_NEAR(budget_of(item.settings, item.memory, item.cpu), item.mib * kMiB, 1)
        << item.settings.vram_budget << ' ' << item.settings.vram_fraction << ' ' << item.cpu;
  }
  EXPECT_EQ(budget_of({.vram_budget = std::numeric_limits<int64_t>::max()}, card, false),
            500 * kMiB);
  EXPECT_EQ(budget_of({.vram_budget = std::numeric_limits<int64_t>::min()}, card, false), 0);
}

}  // namespace
}  // namespace latentsync::memory
