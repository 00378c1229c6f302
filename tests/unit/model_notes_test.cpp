#include "core/model/notes.h"
#include "tests/support/temporary_folder.h"

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::model {
namespace {

using Names = std::vector<std::string>;

// Training configurations beside the weights are found, so that it can be said that they are not
// read; other JSON files are nobody's business.
TEST(ModelNotes, ListTrainingConfigurations) {
  const test::TemporaryFolder folder;
  const auto put = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
  };
  put("stage2_512.yaml", "data: {resolution: 512}");
  put("stage2.yml", "");
  put("stage2.json", R"({"data": {"resolution": 512}, "model": {}})");
  put("model_index.json", R"({"_class_name": "x"})");
  put("broken.json", "{");
  put("config.json", R"({"data": {}})");
  Names names;
  for (const auto& file : training_configs(folder.path())) {
    names.push_back(file.filename().string());
  }
  EXPECT_EQ(names, (Names{"stage2.json", "stage2.yml", "stage2_512.yaml"}));
}

// What nobody reads is listed: of a training configuration all of it.
TEST(ModelNotes, ListWhatIsNotRead) {
  const auto unread = [](const std::string& text) {
    return unread_keys(ConfigFile::parse(text, "c"));
  };
  EXPECT_EQ(unread(R"({"data": {"resolution": 512}, "model": {}, "run": {}, "resolution": 256,
                       "unet": {}, "_note": 1, "extra": null})"),
            (Names{"data", "model", "run"}));
  EXPECT_EQ(
      unread(
          R"({"resolution": 256, "version": "1.6", "audio_block_fill": "silence", "vae": {}, "whisper": {}})"),
      Names());
  EXPECT_EQ(unread(R"({"_class_name": "UNet3D", "down_block_types": [], "sample_size": 64})"),
            Names());
  EXPECT_EQ(unread_keys(ConfigFile()), Names());
}

// The model's version may be a string or a number.
TEST(ModelNotes, Version) {
  const auto version = [](const std::string& text) {
    return version_of(ConfigFile::parse(text, "c"));
  };
  EXPECT_EQ(version(R"({"version": "1.6"})"), "1.6");
  EXPECT_EQ(version(R"({"version": 1.5})"), "1.5");
  EXPECT_EQ(version(R"({"version": []})"), std::nullopt);
  EXPECT_EQ(version("{}"), std::nullopt);
}

}  // namespace
}  // namespace latentsync::model
