#include "tests/unit/lipsync_engine.h"

#include "core/lipsync/failure.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

// Another version of the interface gets no engine.
TEST_F(LipsyncEngine, RefusesAnotherVersion) {
  EXPECT_EQ(latentsync_engine(kEngineVersion + 1), nullptr);
}

// A model knows what it is, and its progress ends at 1 without ever going back.
TEST_F(LipsyncEngine, DescribesItsModel) {
  double last = 0;
  const auto model = engine().load(settings(), {}, [&](double part, const char*) {
    EXPECT_GE(part, last);
    last = part;
  });
  ASSERT_TRUE(model) << model.failure().message;
  EXPECT_EQ(last, 1);
  const auto& info = (*model)->info();
  EXPECT_EQ(info.name, "tiny");
  EXPECT_EQ(info.device, "cpu");
  EXPECT_EQ(info.precision, "float32");
  EXPECT_EQ(info.vae, "full");
  EXPECT_EQ(info.resolution, 128);
  EXPECT_EQ(info.inference_steps, 4);
  EXPECT_EQ(info.most_window_frames, 24);
  EXPECT_GT(info.weight_bytes, 1 << 20);
}

// Equal settings share one model, which goes with its last holder; a session is one.
TEST_F(LipsyncEngine, SharesModelsWhileSomebodyHoldsThem) {
  auto first = load();
  EXPECT_EQ(first, load());
  const std::weak_ptr<Model> weak = first;
  auto session = open(*first);
  first.reset();
  EXPECT_FALSE(weak.expired());
  session.reset();
  EXPECT_TRUE(weak.expired());
}

// Two threads that ask at once get the same model.
TEST_F(LipsyncEngine, LoadsOnceForConcurrentCallers) {
  std::shared_ptr<Model> models[2];
  {
    std::jthread other([&] { models[1] = load(); });
    models[0] = load();
  }
  EXPECT_EQ(models[0], models[1]);
}

// On a CPU the process's own switches of LibTorch stay as the application has set them.
TEST_F(LipsyncEngine, LeavesTheSwitchesOfTheProcessAlone) {
  at::Context& context = at::globalContext();
  const bool before[] = {context.allowTF32CuDNN(), context.allowTF32CuBLAS()};
  for (const bool allowed : {true, false}) {
    context.setAllowTF32CuDNN(allowed);
    context.setAllowTF32CuBLAS(allowed);
    EXPECT_TRUE(load());
    EXPECT_EQ(context.allowTF32CuDNN(), allowed);
    EXPECT_EQ(context.allowTF32CuBLAS(), allowed);
  }
  context.setAllowTF32CuDNN(before[0]);
  context.setAllowTF32CuBLAS(before[1]);
}

// A stopped load is told so, and the next one works.
TEST_F(LipsyncEngine, LoadCanBeCancelled) {
  std::stop_source stop;
  const auto model = engine().load(settings(), stop.get_token(), [&](double part, const char*) {
    if (part > 0.3) stop.request_stop();
  });
  ASSERT_FALSE(model);
  EXPECT_EQ(model.failure().code, ErrorCode::kCancelled);
  EXPECT_TRUE(load());
}

// What cannot be loaded is refused with a sentence that names it.
TEST_F(LipsyncEngine, LoadErrorsSayWhatToDo) {
  auto wanted = settings();
  wanted.folder = "/nowhere/at/all";
  expect_failure(wanted, ErrorCode::kNotFound, "/nowhere/at/all");
  wanted = settings();
  wanted.device = "gpu";
  expect_failure(wanted, ErrorCode::kInvalidArgument, "gpu");
  wanted.device = "cuda:x";
  expect_failure(wanted, ErrorCode::kInvalidArgument, "cuda:x");
  wanted.device = "cuda:99";
  expect_failure(wanted, ErrorCode::kDevice, "");
  wanted = settings();
  wanted.vae = VaeChoice::kTiny;
  expect_failure(wanted, ErrorCode::kNotFound, "taesd_encoder.safetensors");
  wanted = settings();
  const TemporaryFolder empty;
  wanted.face_folder = empty.path().string();
  expect_failure(wanted, ErrorCode::kNotFound, "face_landmark.safetensors");
}

// A folder without the autoencoder that its config.json names gets no other one unasked.
TEST_F(LipsyncEngine, TakesTheAutoencoderThatTheModelNames) {
  const GoldenModelFolder other(nlohmann::json::object());
  std::ifstream stream(other.path() + "/config.json");
  auto config = nlohmann::json::parse(stream);
  config["vae"] = {{"type", "taesd"}};
  std::ofstream(other.path() + "/config.json") << config;
  auto wanted = settings();
  wanted.folder = other.path();
  expect_failure(wanted, ErrorCode::kNotFound, "vae.type");
}

// The model's own values are filled in; others are refused by the property's name.
TEST_F(LipsyncEngine, ResolvesSettings) {
  const auto model = load();
  const auto resolved = model->resolve({});
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->inference_steps, 4);
  EXPECT_EQ(resolved->feature_cache, 2);
  EXPECT_EQ(resolved->resolution, 128);
  EXPECT_EQ(resolved->vae_batch, 16);
  EXPECT_EQ(model->resolve({.resolution = 512})->vae_batch, 4);
  // Elements of the widest tensor are counted in 32 bits.
  EXPECT_EQ(model->resolve({.resolution = 1024, .vae_batch = 100})->vae_batch, 7);
  EXPECT_EQ(model->resolve({.resolution = 512, .vae_batch = 24})->vae_batch, 24);
  const std::pair<RenderSettings, std::string> wrong[] = {
      {{.seed = -1}, "seed"},
      {{.guidance_scale = 0.5}, "lips-expression"},
      {{.guidance_scale = std::nan("")}, "lips-expression"},
      {{.inference_steps = 1000}, "inference-steps"},
      {{.feature_cache = 11}, "feature-cache"},
      {{.resolution = 130}, "resolution"},
      {{.resolution = 2048}, "resolution"},
      {{.vae_batch = -1}, "batch-size"}};
  for (const auto& [settings, property] : wrong) {
    const auto result = model->resolve(settings);
    ASSERT_FALSE(result) << property;
    EXPECT_EQ(result.failure().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(result.failure().message.find(property), std::string::npos)
        << result.failure().message;
  }
  const auto session = model->open(AudioContext::kSliding, 1);
  ASSERT_FALSE(session);
  EXPECT_NE(session.failure().message.find("120 ms"), std::string::npos);
}

// What people may believe to be in force and is not is told with the model; so is a precision that
// makes it slow.
TEST_F(LipsyncEngine, WarnsOfWhatIsIgnored) {
  EXPECT_TRUE(load()->info().warnings.empty());
  const GoldenModelFolder other({{"resolution", 128}, {"data", {{"resolution", 512}}}});
  std::ofstream(other.path() + "/stage2_512.yaml") << "data: {resolution: 512}";
  auto wanted = settings();
  wanted.folder = other.path();
  wanted.precision = Precision::kFloat16;
  const auto model = engine().load(wanted);
  ASSERT_TRUE(model) << model.failure().message;
  std::string all;
  for (const auto& warning : (*model)->info().warnings) all += warning + "\n";
  EXPECT_EQ((*model)->info().warnings.size(), 3u) << all;
  for (const char* part : {"stage2_512.yaml", "\"data\"", "resolution=128", "float16"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " is missing in\n" << all;
  }
}

// A model that does not fit into memory is told with what it needs.
TEST_F(LipsyncEngine, MemoryThatRunsOutWhileLoadingIsTold) {
  const auto failure = lipsync::loading_failure({ErrorCode::kOutOfMemory, "x", "y"},
                                                int64_t{5000} << 20, "float32", "cpu");
  for (const char* part : {"float32", "5000 MiB", "ulimit -v", "bfloat16"}) {
    EXPECT_NE(failure.message.find(part), std::string::npos) << failure.message;
  }
  EXPECT_EQ(failure.detail, "y");
  EXPECT_EQ(lipsync::loading_failure({ErrorCode::kDevice, "x", {}}, 1, "float32", "cpu").message,
            "x");
}

// What cuDNN and cuBLAS say where memory ran out is known; a shape that does not fit is not that.
TEST_F(LipsyncEngine, KnowsWhatMayHideMemory) {
  for (const char* text : {"GET was unable to find an engine to execute this computation",
                           "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate",
                           "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"}) {
    EXPECT_TRUE(lipsync::may_hide_memory(text)) << text;
  }
  EXPECT_FALSE(lipsync::may_hide_memory("mat1 and mat2 shapes cannot be multiplied"));
}

}  // namespace
}  // namespace latentsync::test
