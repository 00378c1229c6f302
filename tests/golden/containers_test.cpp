#include "tests/support/golden.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

std::vector<std::filesystem::path> torch_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& path : golden_files("containers", "")) {
    if (path.extension() == ".pt") files.push_back(path);
  }
  return files;
}

/// What stands before a tensor's own name in each layout.
std::string prefix_of(const model::TensorMap& tensors) {
  for (const std::string prefix : {"state_dict.", "model_state_dict."}) {
    if (tensors.begin()->first.starts_with(prefix)) return prefix;
  }
  return "";
}

// Every .pt layout gives the same tensors as the safetensors file: names, shapes, types, values;
// scalar, transposed, sliced, empty and shared-storage ones among them.
TEST(Containers, TorchFilesEqualTheExpectedTensors) {
  const auto expected = golden("containers/expected.safetensors");
  ASSERT_FALSE(expected.tensors.empty());
  ASSERT_FALSE(torch_files().empty());
  for (const auto& path : torch_files()) {
    SCOPED_TRACE(path.filename());
    const auto file = model::open_tensor_file(path);
    const std::string prefix = prefix_of(file.tensors);
    EXPECT_EQ(file.tensors.size(), expected.tensors.size());
    for (const auto& [name, tensor] : expected.tensors) {
      const auto found = file.tensors.find(prefix + name);
      ASSERT_NE(found, file.tensors.end()) << name;
      EXPECT_EQ(found->second.scalar_type(), tensor.scalar_type()) << name;
      EXPECT_EQ(found->second.sizes(), tensor.sizes()) << name;
      EXPECT_TRUE(found->second.equal(tensor)) << name;
    }
  }
}

// The integers beside the tensors come along: a global step, or Whisper's dims.
TEST(Containers, IntegersBesideTheTensorsAreRead) {
  for (const auto& path : torch_files()) {
    const auto file = model::open_tensor_file(path);
    const std::string prefix = prefix_of(file.tensors);
    if (prefix == "state_dict.") {
      EXPECT_TRUE(file.integers.contains("global_step")) << path;
    } else if (prefix == "model_state_dict.") {
      EXPECT_TRUE(file.integers.contains("dims.n_audio_state")) << path;
    } else {
      EXPECT_TRUE(file.integers.empty()) << path;
    }
  }
}

// The tiny Whisper is the same read from its .pt and from its .safetensors.
TEST(Containers, WhisperIsTheSameInBothFormats) {
  const auto torch_file = golden_dir() / "whisper/whisper_tinytest.pt";
  const auto safetensors = golden_dir() / "whisper/whisper_tinytest.safetensors";
  if (!std::filesystem::exists(torch_file) || !std::filesystem::exists(safetensors)) {
    GTEST_SKIP() << "this golden set stores no Whisper weights";
  }
  const auto from_torch = model::open_tensor_file(torch_file).tensors;
  for (const auto& [name, tensor] : model::open_tensor_file(safetensors).tensors) {
    const auto found = from_torch.find("model_state_dict." + name);
    ASSERT_NE(found, from_torch.end()) << name;
    EXPECT_TRUE(found->second.equal(tensor)) << name;
  }
}

}  // namespace
}  // namespace latentsync::test
