#include "core/cache/writer.h"
#include "tests/cache/store_folder.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <sys/resource.h>
#include <sys/stat.h>
#include <utility>

namespace latentsync::test {
namespace {

using Kind = cache::Problem::Kind;

// What was put in comes out, also in another store; everything else is a miss that nobody is told
// of. Only the owner may read it.
TEST_F(StoreTest, FindsWhatWasInserted) {
  {
    cache::Store store(root(), kRoomy);
    EXPECT_FALSE(holds(store, 1));
    for (const int number : {1, 2}) insert(store, number);
    insert(store, 3, 0);
    EXPECT_TRUE(holds(store, 1));
  }
  const cache::Store store(root(), kRoomy);
  EXPECT_TRUE(holds(store, 2));
  EXPECT_TRUE(holds(store, 3, 0));
  EXPECT_FALSE(holds(store, 4));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(root()).permissions(), perms::owner_all);
  EXPECT_EQ(std::filesystem::status(path_of(1)).permissions(),
            perms::owner_read | perms::owner_write);
}

// One wrong bit, wherever it is, and every other length is a miss that is told of, and mended by
// the next insertion.
TEST_F(StoreTest, FindsNothingThatIsDamaged) {
  cache::Store store(root(), kRoomy);
  insert(store, 1);
  const auto path = path_of(1);
  const auto whole = read_file(path);
  ASSERT_EQ(whole.size(), 1000 + cache::kEntryOverhead);
  const auto expect_damaged = [&](const std::string& bytes) {
    write_file(path, bytes);
    expect_problem(store, 1, Kind::kDamaged, path);
    insert(store, 1);
    EXPECT_TRUE(holds(store, 1));
  };
  std::vector<size_t> places = {40, 41, 539, 1038, 1039};
  for (size_t i = 0; i < 40; ++i) places.push_back(i);
  for (size_t i = 1040; i < whole.size(); ++i) places.push_back(i);
  for (const size_t place : places) {
    SCOPED_TRACE(place);
    auto bytes = whole;
    bytes[place] = static_cast<char>(bytes[place] ^ 1 << place % 8);
    expect_damaged(bytes);
  }
  for (const size_t size : {0, 1, 39, 40, 55, 56, 57, 1039, 1040, 1055}) {
    SCOPED_TRACE(size);
    expect_damaged(whole.substr(0, size));
  }
  expect_damaged(whole + '\0');
  expect_damaged("something else");
  // Another entry's file, whole.
  insert(store, 2);
  expect_damaged(read_file(path_of(2)));
}

// A file that pretends to be huge costs no memory.
TEST_F(StoreTest, ReadsNoHugeFile) {
  cache::Store store(root(), kRoomy);
  insert(store, 1);
  std::filesystem::resize_file(path_of(1), uint64_t{1} << 40);
  expect_problem(store, 1, Kind::kDamaged, path_of(1));
}

// Pipes are not waited for, links are not followed, and nothing that lies in an entry's place is
// touched.
TEST_F(StoreTest, RefusesWhatIsNoFile) {
  cache::Store store(root(), kRoomy);
  insert(store, 1);
  const auto elsewhere = folder_ / "elsewhere";
  std::filesystem::rename(path_of(1), elsewhere);
  std::filesystem::create_symlink(elsewhere, path_of(1));
  expect_problem(store, 1, Kind::kForeign, path_of(1));
  std::filesystem::remove(path_of(1));
  std::filesystem::create_directory(path_of(1));
  expect_problem(store, 1, Kind::kForeign, path_of(1));
  std::filesystem::remove(path_of(1));
  ASSERT_EQ(::mkfifo(path_of(1).c_str(), 0600), 0);
  expect_problem(store, 1, Kind::kForeign, path_of(1));
}

// The same for what lies in the place of a part of the folder, or of the folder itself.
TEST_F(StoreTest, RefusesWhatIsNoFolder) {
  cache::Store store(root(), kRoomy);
  const auto part = path_of(1).parent_path();
  std::filesystem::create_directories(folder_ / "elsewhere");
  std::filesystem::create_directories(root());
  std::filesystem::create_symlink(folder_ / "elsewhere", part);
  expect_problem(store, 1, Kind::kForeign, part);
  const auto problem = store.insert(key_of(1), payload_of(1));
  ASSERT_TRUE(problem);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "elsewhere"));

  std::filesystem::remove_all(root());
  write_file(root(), "a file");
  expect_problem(store, 1, Kind::kFolder, root());
  ASSERT_TRUE(store.insert(key_of(1), payload_of(1)));
  EXPECT_EQ(read_file(root()), "a file");
}

// What is there can be read, and that nothing can be written is told with the cause.
TEST_F(StoreTest, ReadsFromAFolderThatIsReadOnly) {
  {
    cache::Store store(root(), kRoomy);
    insert(store, 1);
  }
  ::chmod(folder_.path().c_str(), 0755);
  for (const auto& path : {root(), path_of(1).parent_path()}) ::chmod(path.c_str(), 0555);
  ::chmod(path_of(1).c_str(), 0444);
  const auto status = in_another_process([&] {
    constexpr uid_t kNobody = 65534;
    if (::getuid() == 0 && ::setuid(kNobody) != 0) ::_exit(2);
    cache::Store store(root(), kRoomy);
    EXPECT_TRUE(holds(store, 1));
    const auto problem = store.insert(key_of(2), payload_of(2));
    ASSERT_TRUE(problem);
    EXPECT_NE(problem->sentence.find("Permission denied"), std::string::npos) << problem->sentence;
    EXPECT_NE(problem->sentence.find(root().string()), std::string::npos) << problem->sentence;
  });
  for (const auto& path : {root(), path_of(1).parent_path()}) ::chmod(path.c_str(), 0700);
  EXPECT_EQ(status, 0);
}

void limit_files(rlim_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

// Where there is no room for a file, wherever in it that shows, nothing is left of it; when there
// is room again, it is written.
TEST_F(StoreTest, LeavesNothingWhereThereIsNoRoom) {
  const auto status = in_another_process([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    cache::Store store(root(), kRoomy);
    for (const rlim_t room : {0, 1, 40, 500, 1040, 1055}) {
      limit_files(room);
      const auto problem = store.insert(key_of(1), payload_of(1));
      ASSERT_TRUE(problem) << room;
      EXPECT_NE(problem->sentence.find("make room"), std::string::npos) << problem->sentence;
      EXPECT_TRUE(files_in(root(), "").empty()) << room;
      EXPECT_FALSE(holds(store, 1));
    }
    limit_files(RLIM_INFINITY);
    insert(store, 1);
    EXPECT_TRUE(holds(store, 1));
  });
  EXPECT_EQ(status, 0);
}

// A process that dies while it writes leaves a file that nobody takes for an entry.
TEST_F(StoreTest, FindsNothingOfAWriterThatDied) {
  int unfinished = 0;
  for (const rlim_t room : {0, 1, 40, 500, 1040, 1055}) {
    const auto status = in_another_process([&] {
      limit_files(room);
      cache::Store(root(), kRoomy).insert(key_of(1), payload_of(1));
    });
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) << room;
    EXPECT_EQ(std::ssize(files_in(root(), ".part")), ++unfinished);
    EXPECT_TRUE(files_in(root(), ".entry").empty());
    cache::Store store(root(), kRoomy);
    EXPECT_FALSE(holds(store, 1));
  }
  cache::Store store(root(), kRoomy);
  insert(store, 1);
  EXPECT_TRUE(holds(store, 1));
}

// Processes that write the same and other entries, killed at any moment, never show each other
// anything but whole entries.
TEST_F(StoreTest, WritersMayBeKilledAtAnyMoment) {
  constexpr size_t kSize = 100'000;
  const auto write_for_ever = [&] {
    cache::Store store(root(), kRoomy);
    for (int number = 0;; number = (number + 1) % 8) {
      if (store.insert(key_of(number), payload_of(number, kSize))) ::_exit(1);
    }
  };
  const cache::Store store(root(), kRoomy);
  std::srand(1);
  int found = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<pid_t> writers;
    for (int i = 0; i < 2; ++i) {
      writers.push_back(::fork());
      if (writers.back() == 0) write_for_ever();
    }
    ::usleep(static_cast<useconds_t>(std::rand() % 10'000));
    for (int number = 0; number < 8; ++number) found += holds(store, number, kSize) ? 1 : 0;
    for (const pid_t writer : writers) {
      ::kill(writer, SIGKILL);
      int status = 0;
      ::waitpid(writer, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status));
      for (int number = 0; number < 8; ++number) holds(store, number, kSize);
    }
  }
  // However slow the machine is, entries can be written now.
  cache::Store last(root(), kRoomy);
  for (int number = 0; number < 8; ++number) insert(last, number, kSize);
  for (int number = 0; number < 8; ++number) EXPECT_TRUE(holds(store, number, kSize));
}

void set_age(const std::filesystem::path& path, std::chrono::minutes age) {
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - age);
}

uint64_t bytes_in(const std::filesystem::path& folder) {
  uint64_t bytes = 0;
  for (const auto& file : files_in(folder, "")) bytes += std::filesystem::file_size(file);
  return bytes;
}

// The files never take more than they may: of each session the first are kept, for which those of
// the session before go; when there is no room but theirs, a warning names the setting.
TEST_F(StoreTest, KeepsToItsSize) {
  constexpr uint64_t kMost = 20'000;
  constexpr int kRoom = kMost / (1000 + cache::kEntryOverhead);
  for (int session = 0; session < 2; ++session) {
    for (const auto& file : files_in(root(), "")) set_age(file, std::chrono::minutes(1));
    cache::Store store(root(), kMost);
    for (int number = 0; number < 40; ++number) {
      const int entry = 100 * session + number;
      const auto problem = store.insert(key_of(entry), payload_of(entry));
      EXPECT_EQ(problem.has_value(), number >= kRoom) << number;
      if (problem) {
        EXPECT_EQ(static_cast<int>(problem->kind), static_cast<int>(Kind::kFull));
        EXPECT_NE(problem->sentence.find("disk-cache-size"), std::string::npos);
      }
      EXPECT_LE(bytes_in(root()), kMost) << number;
      EXPECT_EQ(holds(store, entry), number < kRoom) << number;
    }
    for (int number = 0; number < kRoom; ++number) {
      EXPECT_TRUE(holds(store, 100 * session + number)) << number;
    }
  }
}

// A job that needs more room than there is finds what it kept when it is started again, and keeps
// it: taken entries are not removed for new ones.
TEST_F(StoreTest, FindsTheBeginningOfALongJobAgain) {
  constexpr uint64_t kMost = 20'000;
  constexpr int kRoom = kMost / (1000 + cache::kEntryOverhead);
  for (int attempt = 0; attempt < 3; ++attempt) {
    for (const auto& file : files_in(root(), "")) set_age(file, std::chrono::minutes(1));
    cache::Store store(root(), kMost);
    for (int number = 0; number < 40; ++number) {
      const bool known = attempt > 0 && number < kRoom;
      EXPECT_EQ(holds(store, number), known) << attempt << ", " << number;
      if (!known) (void)store.insert(key_of(number), payload_of(number));
    }
  }
}

// Those go that were not used for longest, whatever their names are; to be found is to be used.
TEST_F(StoreTest, ForgetsWhatWasNotUsedForLongest) {
  const auto three_and_a_half = 7 * (1000 + cache::kEntryOverhead) / 2;
  for (const auto& [older, younger] : {std::pair(2, 3), std::pair(3, 2)}) {
    std::filesystem::remove_all(root());
    {
      cache::Store store(root(), kRoomy);
      for (const int number : {1, older, younger}) insert(store, number);
      set_age(path_of(1), std::chrono::minutes(10));
      set_age(path_of(older), std::chrono::minutes(9));
      set_age(path_of(younger), std::chrono::minutes(8));
      EXPECT_TRUE(holds(store, 1));
    }
    cache::Store store(root(), three_and_a_half);
    insert(store, 4);
    EXPECT_TRUE(holds(store, 1));
    EXPECT_FALSE(holds(store, older));
    EXPECT_TRUE(holds(store, younger));
    EXPECT_TRUE(holds(store, 4));
  }
}

// What another process writes counts, too.
TEST_F(StoreTest, CountsWhatOthersWrite) {
  constexpr uint64_t kMost = 20'000;
  cache::Store mine(root(), kMost), others(root(), kMost);
  for (int number = 0; number < 40; ++number) {
    (void)mine.insert(key_of(number), payload_of(number));
    (void)others.insert(key_of(1000 + number), payload_of(1000 + number));
    EXPECT_LE(bytes_in(root()), kMost + kMost / 8 + 2200) << number;
  }
  EXPECT_GT(bytes_in(root()), kMost * 3 / 4);
}

// Files that were begun long ago go; those of writers that may be alive, and those of anybody else,
// do not.
TEST_F(StoreTest, RemovesWhatWasNeverFinished) {
  cache::Store store(root(), kRoomy);
  insert(store, 1);
  const auto old = cache::part_path(path_of(1)), young = cache::part_path(path_of(1));
  const auto note = path_of(1).parent_path() / "note.part", other = root() / "README";
  for (const auto& path : {old, young, note, other}) write_file(path, "x");
  for (const auto& path : {old, note, other}) set_age(path, std::chrono::minutes(61));
  cache::Store next(root(), kRoomy);
  insert(next, 2);
  EXPECT_FALSE(std::filesystem::exists(old));
  for (const auto& path : {young, note, other}) EXPECT_TRUE(std::filesystem::exists(path)) << path;
}

// A cache that is smaller than an entry says so, and forgets nothing for it.
TEST_F(StoreTest, SaysThatItIsTooSmall) {
  cache::Store store(root(), 3000);
  insert(store, 1);
  const auto problem = store.insert(key_of(2), payload_of(2, 2950));
  ASSERT_TRUE(problem);
  EXPECT_NE(problem->sentence.find("disk-cache-size"), std::string::npos) << problem->sentence;
  EXPECT_TRUE(holds(store, 1));
}

// What is given to the writer is in the store when the writer is gone, or has been waited for; what
// it meets is told once.
TEST_F(StoreTest, WritesBehindTheCallersBack) {
  const auto write = [](cache::Writer& writer, const std::vector<int>& numbers) {
    std::vector<cache::NewEntry> entries;
    for (const int number : numbers) {
      entries.push_back({key_of(number), cache::Bytes(1000)});
      std::ranges::copy(payload_of(number), entries.back().payload.span().begin());
    }
    writer.write(std::move(entries));
  };
  const auto store = std::make_shared<cache::Store>(root(), kRoomy);
  {
    cache::Writer writer(store);
    for (const int number : {1, 3}) {
      write(writer, {number, number + 1});
      EXPECT_TRUE(writer.wait({}));
      EXPECT_TRUE(holds(*store, number));
      EXPECT_TRUE(holds(*store, number + 1));
    }
    write(writer, {5});
  }
  EXPECT_TRUE(holds(*store, 5));

  std::filesystem::remove_all(root());
  write_file(root(), "a file");
  cache::Writer writer(store);
  write(writer, {1, 2});
  EXPECT_TRUE(writer.wait({}));
  const auto problem = writer.take_problem();
  ASSERT_TRUE(problem);
  EXPECT_EQ(static_cast<int>(problem->kind), static_cast<int>(Kind::kWrite));
  EXPECT_FALSE(writer.take_problem());
}

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

// The folder is where the XDG specification has it, which ignores relative paths.
TEST(CacheFolder, IsTheUsers) {
  const auto folder = [](const char* cache, const char* home) {
    const Variable cache_home("XDG_CACHE_HOME", cache), user_home("HOME", home);
    return cache::default_folder().value_or("none").string();
  };
  EXPECT_EQ(folder("/x/y", "/home/me"), "/x/y/latentsync");
  EXPECT_EQ(folder(nullptr, "/home/me"), "/home/me/.cache/latentsync");
  EXPECT_EQ(folder("", "/home/me"), "/home/me/.cache/latentsync");
  EXPECT_EQ(folder("x", "/home/me"), "/home/me/.cache/latentsync");
  EXPECT_EQ(folder("x", "me"), "none");
  EXPECT_EQ(folder(nullptr, nullptr), "none");
}

// Keys are those of earlier builds, and values do not run into each other.
TEST(CacheKey, IsThatOfItsValues) {
  const auto key = [](const std::function<void(cache::KeyBuilder&)>& add) {
    cache::KeyBuilder builder;
    add(builder);
    return builder.key().text();
  };
  const std::vector<std::string> keys = {
      key([](auto& k) { (void)k; }),
      key([](auto& k) { k.add_number(1); }),
      key([](auto& k) { k.add_real(1); }),
      key([](auto& k) { k.add_text("1"); }),
      key([](auto& k) { k.add_bytes(std::as_bytes(std::span("1", 1))); }),
      key([](auto& k) { k.add_text("ab"), k.add_text("c"); }),
      key([](auto& k) { k.add_text("a"), k.add_text("bc"); }),
      key([](auto& k) { k.add_text("abc"), k.add_text(""); }),
      key([](auto& k) { k.add_number(1), k.add_number(2); }),
      key([](auto& k) { k.add_number(2), k.add_number(1); }),
  };
  EXPECT_EQ(std::set(keys.begin(), keys.end()).size(), keys.size());
  EXPECT_EQ(keys[0], "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing
  EXPECT_EQ(key([](auto& k) { k.add_text("a"), k.add_text("bc"); }), keys[6]);
}

}  // namespace
}  // namespace latentsync::test
