#pragma once

#include "core/cache/folder.h"
#include "core/cache/store.h"
#include "tests/support/temporary_folder.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

/// Folders with entries, for tests of the result cache.
namespace latentsync::test {

constexpr uint64_t kRoomy = uint64_t{1} << 30;

inline cache::Key key_of(int number) {
  cache::KeyBuilder key;
  key.add_number(number);
  return key.key();
}

/// SIZE bytes that are those of no other NUMBER.
inline std::vector<std::byte> payload_of(int number, size_t size = 1000) {
  std::vector<std::byte> payload(size);
  for (size_t i = 0; i < size; ++i) {
    payload[i] = static_cast<std::byte>((i * 31 + static_cast<size_t>(number) * 7) >> (i % 3));
  }
  return payload;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Files below FOLDER whose names end in END.
inline std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder,
                                                   const std::string& end) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder, ignored)) {
    if (file.is_regular_file() && file.path().string().ends_with(end)) files.push_back(file);
  }
  return files;
}

/// The way another process ends that does WORK: as waitpid() has it.
inline int in_another_process(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

class StoreTest : public testing::Test {
 protected:
  std::filesystem::path root() const { return folder_ / "cache"; }
  std::filesystem::path path_of(int number) const {
    return cache::entry_path(root(), key_of(number));
  }

  static void insert(cache::Store& store, int number, size_t size = 1000) {
    const auto problem = store.insert(key_of(number), payload_of(number, size));
    EXPECT_FALSE(problem) << problem->sentence;
  }
  static bool holds(const cache::Store& store, int number, size_t size = 1000) {
    const auto found = store.find(key_of(number));
    EXPECT_FALSE(found.problem) << found.problem->sentence;
    if (!found.payload) return false;
    const auto wanted = payload_of(number, size);
    EXPECT_TRUE(std::ranges::equal(found.payload->span(), wanted)) << number;
    return true;
  }
  /// A miss with a problem of KIND, which names PATH.
  static void expect_problem(const cache::Store& store, int number, cache::Problem::Kind kind,
                             const std::filesystem::path& path) {
    const auto found = store.find(key_of(number));
    EXPECT_FALSE(found.payload);
    ASSERT_TRUE(found.problem);
    EXPECT_EQ(static_cast<int>(found.problem->kind), static_cast<int>(kind))
        << found.problem->sentence;
    EXPECT_NE(found.problem->sentence.find(path.string()), std::string::npos)
        << found.problem->sentence;
  }

  TemporaryFolder folder_;
};

}  // namespace latentsync::test
