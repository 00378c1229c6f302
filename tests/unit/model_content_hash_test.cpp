#include "core/model/content_hash.h"
#include "core/model/sha256.h"
#include "tests/support/temporary_folder.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::model {
namespace {

namespace fs = std::filesystem;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path.string() + ".next", std::ios::binary) << text;
  fs::rename(path.string() + ".next", path);
}

// The examples of FIPS 180-4, and lengths around a block, whose values are those of sha256sum(1).
TEST(Sha256, KnownDigests) {
  const std::pair<std::string, std::string> known[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(55, 'a'), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
      {std::string(64, 'a'), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (const auto& [text, digest] : known) {
    EXPECT_EQ(hexadecimal(Sha256::of(bytes_of(text))), digest) << text.size();
  }
}

// However a message is cut, its digest is the same.
TEST(Sha256, PiecesDoNotMatter) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7 % 251);
  const auto expected = Sha256::of(bytes_of(text));
  for (const size_t piece : {1, 3, 63, 64, 65, 200}) {
    Sha256 hash;
    for (size_t at = 0; at < text.size(); at += piece) {
      hash.update(bytes_of(text).subspan(at, std::min(piece, text.size() - at)));
    }
    EXPECT_EQ(hash.finish(), expected) << piece;
  }
}

// A file's hash is that of its contents, wherever it lies, and changes with a bit of it.
TEST(ContentHashes, AreOfTheContents) {
  const test::TemporaryFolder folder;
  std::string contents((size_t{8} << 20) + 17, 'x');
  write(folder / "a", contents);
  write(folder / "b", contents);
  contents[contents.size() - 5] ^= 1;
  write(folder / "c", contents);
  ContentHashes hashes;
  const auto hash = [&](const char* name) {
    return hashes.of(folder / name, *file_identity(folder / name));
  };
  ASSERT_TRUE(hash("a"));
  EXPECT_EQ(hash("a")->size(), 64u);
  EXPECT_EQ(hash("a"), hash("b"));
  EXPECT_NE(hash("a"), hash("c"));
}

// A state of a file that is gone has no hash, unless it was computed while it was there.
TEST(ContentHashes, OfReplacedFiles) {
  const test::TemporaryFolder folder;
  write(folder / "a", "first");
  const auto before = *file_identity(folder / "a");
  ContentHashes asked, not_asked;
  const auto hash = asked.of(folder / "a", before);
  write(folder / "a", "second, longer");
  EXPECT_EQ(asked.of(folder / "a", before), hash);
  EXPECT_EQ(not_asked.of(folder / "a", before), std::nullopt);
  EXPECT_NE(not_asked.of(folder / "a", *file_identity(folder / "a")), hash);
}

}  // namespace
}  // namespace latentsync::model
