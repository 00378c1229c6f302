#include "core/error.h"
#include "core/model/safetensors_format.h"
#include "core/model/tensor_file.h"
#include "core/model/torch_zip_format.h"
#include "tests/support/bad_files.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>
#include <fstream>
#include <span>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Opening PATH gives this code and a message with the path and MENTIONS.
void expect_refusal(const std::filesystem::path& path, ErrorCode code,
                    const std::string& mentions) {
  try {
    model::open_tensor_file(path);
    ADD_FAILURE() << "it was opened";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << message;
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
    EXPECT_NE(message.find(mentions), std::string::npos) << message << " lacks " << mentions;
    EXPECT_LT(message.size(), 1000u) << message;
  }
}

std::vector<BadFile> all_bad_files() {
  std::vector<BadFile> all;
  for (const auto& part : {bad_safetensors(), bad_zips(), bad_pickles(), impostors()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

class BadModelFile : public testing::TestWithParam<BadFile> {};

// Each damaged or hostile file is refused with its documented error, the path, and what is at
// fault.
TEST_P(BadModelFile, IsRefused) {
  const TemporaryFolder folder;
  write(folder / "model", GetParam().bytes);
  expect_refusal(folder / "model", GetParam().code, GetParam().mentions);
}

INSTANTIATE_TEST_SUITE_P(All, BadModelFile, testing::ValuesIn(all_bad_files()),
                         [](const auto& info) { return info.param.name; });

// The files that the table is made from are sound, so that each row tests what it says.
TEST(GoodModelFile, IsOpened) {
  const TemporaryFolder folder;
  for (const auto& bytes : {good_safetensors(), good_torch_zip(), good_torch_zip(true)}) {
    write(folder / "model", bytes);
    EXPECT_NO_THROW(model::open_tensor_file(folder / "model"));
  }
}

model::TensorListing list_tensors(const std::string& bytes, bool zip) {
  const std::span<const uint8_t> span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return zip ? model::list_torch_zip(span, "model") : model::list_safetensors(span, "model");
}

struct GoodFile {
  std::string bytes;
  bool zip;
};

std::vector<GoodFile> good_files() {
  return {{good_safetensors(), false}, {good_torch_zip(), true}, {good_torch_zip(true), true}};
}

// A file cut at any byte is refused.
TEST(CutModelFile, IsRefusedWhereverItIsCut) {
  for (const auto& [bytes, zip] : good_files()) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_THROW(list_tensors(bytes.substr(0, size), zip), Error) << size;
    }
  }
}

// Any one byte may have any value: the file is refused, or its tensors lie within it.
TEST(AlteredModelFile, IsRefusedOrSound) {
  for (const auto& [good, zip] : good_files()) {
    for (size_t at = 0; at < good.size(); ++at) {
      for (int value = 0; value < 256; ++value) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(value);
        try {
          for (const auto& tensor : list_tensors(bytes, zip).tensors) {
            EXPECT_LE(tensor.begin, bytes.size()) << at;
            EXPECT_LE(tensor.bytes, bytes.size() - tensor.begin) << at;
          }
        } catch (const Error&) {
        }
      }
    }
  }
}

// A path that is not there is kNotFound, also below a file.
TEST(NoModelFile, IsNotFound) {
  const TemporaryFolder folder;
  write(folder / "file", "x");
  expect_refusal(folder / "absent", ErrorCode::kNotFound, "no model file");
  expect_refusal(folder / "file/absent", ErrorCode::kNotFound, "no model file");
}

// Folders, pipes, devices and endless links are refused at once; a pipe is not waited for.
TEST(NoModelFile, IsUnreadable) {
  const TemporaryFolder folder;
  expect_refusal(folder.path(), ErrorCode::kUnreadable, "folder");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_refusal(folder / "pipe", ErrorCode::kUnreadable, "regular");
  expect_refusal("/dev/zero", ErrorCode::kUnreadable, "regular");
  std::filesystem::create_symlink(folder / "loop", folder / "loop");
  expect_refusal(folder / "loop", ErrorCode::kUnreadable, "Cannot read");
}

/// Root may read everything: another user in its place while this lives.
class WithoutPrivileges {
 public:
  WithoutPrivileges() : user_(::geteuid()) {
    if (user_ == 0) become(kNobody);
  }
  ~WithoutPrivileges() {
    if (user_ == 0) become(user_);
  }
  WithoutPrivileges(const WithoutPrivileges&) = delete;
  WithoutPrivileges& operator=(const WithoutPrivileges&) = delete;

 private:
  static void become(uid_t user) { EXPECT_EQ(::seteuid(user), 0); }

  static constexpr uid_t kNobody = 65534;
  const uid_t user_;
};

// A file without read permission is kUnreadable.
TEST(NoModelFile, WithoutPermissionIsUnreadable) {
  using std::filesystem::perms;
  const TemporaryFolder folder;
  write(folder / "model", good_safetensors());
  std::filesystem::permissions(folder.path(),
                               perms::owner_all | perms::group_exec | perms::others_exec);
  std::filesystem::permissions(folder / "model", perms::none);
  const WithoutPrivileges other;
  expect_refusal(folder / "model", ErrorCode::kUnreadable, "permission");
}

}  // namespace
}  // namespace latentsync::test
