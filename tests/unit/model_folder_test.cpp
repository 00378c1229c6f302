#include "core/model/model_folder.h"

#include "core/error.h"
#include "tests/support/temporary_folder.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::model {
namespace {

class ModelFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "whisper");
    std::filesystem::create_directories(folder_ / "vae");
    put("latentsync_unet.pt");
    put("whisper/tiny.pt");
    put("vae/sd-vae-ft-mse.safetensors");
  }

  void put(const std::string& name, const std::string& text = "x") {
    std::ofstream(folder_ / name) << text;
  }
  void take(const std::string& name) { std::filesystem::remove(folder_ / name); }

  void expect_refusal(ErrorCode code, const std::string& mentions) {
    try {
      find_model(folder_.path());
      ADD_FAILURE() << "it was found";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << message;
      EXPECT_NE(message.find(folder_.path().string()), std::string::npos) << message;
      EXPECT_NE(message.find(mentions), std::string::npos) << message << " lacks " << mentions;
    }
  }

  test::TemporaryFolder folder_;
};

// The published layout is found, in either format, with and without config.json.
TEST_F(ModelFolderTest, FindsThePublishedLayout) {
  auto model = find_model(folder_.path());
  EXPECT_EQ(model.unet.filename(), "latentsync_unet.pt");
  EXPECT_EQ(model.whisper.filename(), "tiny.pt");
  EXPECT_EQ(model.vae->filename(), "sd-vae-ft-mse.safetensors");
  EXPECT_FALSE(model.taesd);
  EXPECT_EQ(model.config.contents(), nullptr);

  take("latentsync_unet.pt");
  put("latentsync_unet.safetensors");
  put("vae/taesd_encoder.safetensors");
  put("vae/taesd_decoder.safetensors");
  put("config.json", R"({"resolution": 256})");
  model = find_model(folder_.path());
  EXPECT_EQ(model.unet.filename(), "latentsync_unet.safetensors");
  EXPECT_EQ(model.vae->filename(), "sd-vae-ft-mse.safetensors");
  EXPECT_EQ(model.taesd->decoder.filename(), "taesd_decoder.safetensors");
  EXPECT_EQ(model_config(model.config).resolution, 256);
}

// TAESD alone is a whole model folder too.
TEST_F(ModelFolderTest, TaesdAloneIsEnough) {
  take("vae/sd-vae-ft-mse.safetensors");
  put("vae/taesd_encoder.safetensors");
  put("vae/taesd_decoder.safetensors");
  EXPECT_FALSE(find_model(folder_.path()).vae);
}

// Who wants the audio encoder alone needs nothing else.
TEST_F(ModelFolderTest, AnEncoderNeedsNoOtherNetwork) {
  take("latentsync_unet.pt");
  take("vae/sd-vae-ft-mse.safetensors");
  put("config.json", R"({"resolution": 256})");
  const auto encoder = find_encoder(folder_.path());
  EXPECT_EQ(encoder.whisper, folder_ / "whisper" / "tiny.pt");
  EXPECT_EQ(model_config(encoder.config).resolution, 256);
  take("whisper/tiny.pt");
  try {
    find_encoder(folder_.path());
    ADD_FAILURE() << "it was found";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("whisper/tiny.pt"), std::string::npos) << error.what();
  }
}

// Each missing file is called by its name.
TEST_F(ModelFolderTest, MissingFilesAreNamed) {
  take("vae/sd-vae-ft-mse.safetensors");
  expect_refusal(ErrorCode::kNotFound, "vae/*.safetensors");
  put("vae/taesd_encoder.safetensors");
  expect_refusal(ErrorCode::kNotFound, "vae/taesd_decoder.safetensors");
  take("whisper/tiny.pt");
  expect_refusal(ErrorCode::kNotFound, "whisper/tiny.pt");
  take("latentsync_unet.pt");
  expect_refusal(ErrorCode::kNotFound, "latentsync_unet.pt");
}

// Of a link that leads nowhere, link and target are named, wherever it stands.
TEST_F(ModelFolderTest, DanglingLinksAreNamed) {
  for (const std::string name :
       {"latentsync_unet.pt", "latentsync_unet.safetensors", "whisper/tiny.pt",
        "vae/sd-vae-ft-mse.safetensors", "config.json"}) {
    std::filesystem::rename(folder_ / "latentsync_unet.pt", folder_ / "kept");
    const bool there = std::filesystem::exists(folder_ / name);
    if (there) std::filesystem::rename(folder_ / name, folder_ / "moved");
    if (name != "latentsync_unet.pt") {
      std::filesystem::copy(folder_ / "kept", folder_ / "latentsync_unet.pt");
    }
    if (name == "latentsync_unet.safetensors") take("latentsync_unet.pt");
    std::filesystem::create_symlink("/nowhere/weights", folder_ / name);
    expect_refusal(ErrorCode::kNotFound, name);
    expect_refusal(ErrorCode::kNotFound, "/nowhere/weights");
    take(name);
    if (there) std::filesystem::rename(folder_ / "moved", folder_ / name);
    take("latentsync_unet.pt");
    std::filesystem::rename(folder_ / "kept", folder_ / "latentsync_unet.pt");
  }
  std::filesystem::rename(folder_ / "vae", folder_ / "elsewhere");
  std::filesystem::create_symlink("/nowhere/vae", folder_ / "vae");
  expect_refusal(ErrorCode::kNotFound, "/nowhere/vae");
}

// An autoencoder in a format that is not read is named, with what to do.
TEST_F(ModelFolderTest, AutoencodersOfOtherFormatsAreNamed) {
  take("vae/sd-vae-ft-mse.safetensors");
  for (const std::string name : {"diffusion_pytorch_model.bin", "vae.pt", "vae.ckpt"}) {
    put("vae/" + name);
    expect_refusal(ErrorCode::kNotFound, name);
    expect_refusal(ErrorCode::kNotFound, "save_file");
    take("vae/" + name);
  }
}

// What is meant by "~" is told.
TEST(ModelFolder, TildeIsTold) {
  try {
    find_model("~/models/latentsync");
    ADD_FAILURE() << "it was found";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("$HOME"), std::string::npos) << error.what();
  }
}

// Where two files could be meant, none is chosen.
TEST_F(ModelFolderTest, TwoCandidatesAreAmbiguous) {
  put("vae/other.safetensors");
  expect_refusal(ErrorCode::kInvalidArgument, "other.safetensors");
  put("latentsync_unet.safetensors");
  expect_refusal(ErrorCode::kInvalidArgument, "latentsync_unet.safetensors");
}

// A path that is no folder is told apart from one that is not there.
TEST_F(ModelFolderTest, NoFolder) {
  EXPECT_THROW(
      {
        try {
          find_model(folder_ / "absent");
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kNotFound);
          throw;
        }
      },
      Error);
  EXPECT_THROW(
      {
        try {
          find_model(folder_ / "latentsync_unet.pt");
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kUnreadable);
          throw;
        }
      },
      Error);
}

// A broken config.json makes the folder unusable rather than being passed over.
TEST_F(ModelFolderTest, BrokenConfigIsRefused) {
  put("config.json", "{");
  expect_refusal(ErrorCode::kDamagedFile, "config.json");
}

}  // namespace
}  // namespace latentsync::model
