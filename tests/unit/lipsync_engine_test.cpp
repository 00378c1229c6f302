#include "core/engine.h"
#include "core/lipsync/failure.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/golden.h"
#include "tests/support/model_folders.h"
#include "tests/support/pictures.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temporary_folder.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

extern "C" latentsync::Engine* latentsync_engine(int version);

namespace latentsync::test {
namespace {

constexpr int64_t kFrameNs = 40'000'000;
constexpr int kEdge = 192;

// Frames of one size in memory of their own, which know who asked for them.
class TestFrames : public WindowFrames {
 public:
  explicit TestFrames(std::vector<Picture> pictures) : pictures(std::move(pictures)) {}
  size_t count() const override { return pictures.size(); }
  int64_t time_ns(size_t frame) const override { return static_cast<int64_t>(frame) * kFrameNs; }
  Result<kernels::ImageView> readable(size_t frame) override { return pictures[frame].view; }
  Result<kernels::ImageView> writable(size_t frame) override {
    written.insert(frame);
    return pictures[frame].view;
  }

  bool equals(const TestFrames& other) const {
    for (size_t i = 0; i < pictures.size(); ++i) {
      if (!pictures[i].bytes.equal(other.pictures[i].bytes)) return false;
    }
    return true;
  }

  std::vector<Picture> pictures;
  std::set<size_t> written;
};

// The golden face, moved a little from frame to frame, in NV12; black where there is none.
TestFrames make_frames(const std::vector<bool>& has_face) {
  static const at::Tensor face =
      at::upsample_bilinear2d(
          (golden("facenets/facenets.safetensors")
                   .tensors.at("face_detection_full_range_sparse.frame012_crop.input")
                   .permute({0, 3, 1, 2}) /
               2 +
           0.5),
          {kEdge, kEdge}, false)[0]
          .contiguous();
  const auto pixels = face.accessor<float, 3>();
  std::vector<Picture> pictures;
  for (size_t i = 0; i < has_face.size(); ++i) {
    pictures.push_back(
        paint({kernels::PixelFormat::kNv12, kEdge, kEdge}, [&](double x, double y) -> Rgb {
          if (!has_face[i]) return {0, 0, 0};
          const auto column =
              std::clamp<int64_t>(std::lround(x) + static_cast<int64_t>(i % 3), 0, kEdge - 1);
          const auto row = std::clamp<int64_t>(std::lround(y), 0, kEdge - 1);
          return {pixels[0][row][column], pixels[1][row][column], pixels[2][row][column]};
        }));
  }
  return TestFrames(std::move(pictures));
}

std::vector<float> make_audio() {
  std::vector<float> samples(16000);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = 0.3F * std::sin(static_cast<float>(i * i % 4096) * 0.01F);
  }
  return samples;
}

class LipsyncEngine : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<GoldenModelFolder>(nlohmann::json{
        {"name", "tiny"}, {"resolution", 128}, {"inference_steps", 4}, {"feature_cache", 2}});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static Engine& engine() { return *latentsync_engine(kEngineVersion); }
  static ModelSettings settings() {
    return {.folder = folder_->path(),
            .face_folder = std::string(LATENTSYNC_SOURCE_MODELS_DIR) + "/face",
            .device = "cpu"};
  }
  static std::shared_ptr<Model> load() {
    auto model = engine().load(settings());
    EXPECT_TRUE(model) << (model ? "" : model.failure().message + model.failure().detail);
    return model ? *model : nullptr;
  }
  static std::unique_ptr<Session> open(Model& model) {
    return std::move(*model.open(AudioContext::kSliding, 500'000'000));
  }
  Result<WindowResult> render(Session& session, TestFrames& frames, RenderSettings settings = {},
                              std::stop_token stop = {},
                              const RenderProgressCallback& progress = {}) {
    return session.render({.frames = &frames, .audio = audio_}, settings, stop, progress);
  }
  static void expect_failure(const ModelSettings& settings, ErrorCode code,
                             const std::string& mentions) {
    const auto model = engine().load(settings);
    ASSERT_FALSE(model);
    EXPECT_EQ(static_cast<int>(model.failure().code), static_cast<int>(code))
        << model.failure().message;
    EXPECT_NE(model.failure().message.find(mentions), std::string::npos) << model.failure().message;
  }

  static inline std::unique_ptr<GoldenModelFolder> folder_;
  std::vector<float> audio_ = make_audio();
};

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

// Values that a network cannot hold are an error, not a black mouth; no frame is written to.
TEST_F(LipsyncEngine, RefusesPicturesThatAreNoNumbers) {
  const GoldenModelFolder other({{"resolution", 128}, {"inference_steps", 2}});
  auto weights = golden_weights("unet", "unet_tiny");
  weights.at("conv_out.weight").mul_(1e37);
  write_safetensors(other.path() + "/latentsync_unet.safetensors", weights);
  auto wanted = settings();
  wanted.folder = other.path();
  const auto model = engine().load(wanted);
  ASSERT_TRUE(model) << model.failure().message;
  const auto session = open(**model);
  auto frames = make_frames({true, true});
  const auto result = render(*session, frames);
  ASSERT_FALSE(result);
  EXPECT_EQ(static_cast<int>(result.failure().code), static_cast<int>(ErrorCode::kForeignModel));
  EXPECT_NE(result.failure().message.find("float32"), std::string::npos)
      << result.failure().message;
  EXPECT_TRUE(frames.written.empty());
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

// The same seed gives the same bytes, again and in another session; another seed does not. Odd
// windows and those of one frame are rendered too.
TEST_F(LipsyncEngine, SameSeedSameBytes) {
  const auto model = load();
  for (const size_t count : {1, 5}) {
    const auto before = make_frames(std::vector<bool>(count, true));
    std::vector<TestFrames> results;
    for (const int64_t seed : {1, 1, 2}) {
      results.push_back(make_frames(std::vector<bool>(count, true)));
      const auto result = render(*open(*model), results.back(), {.seed = seed});
      ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
      ASSERT_EQ(result->frames.size(), count);
      EXPECT_EQ(result->frames[0].outcome, FrameOutcome::kEdited);
      EXPECT_GT(result->seconds.denoise, 0);
    }
    EXPECT_FALSE(results[0].equals(before));
    EXPECT_TRUE(results[0].equals(results[1])) << count;
    EXPECT_FALSE(results[0].equals(results[2])) << count;
  }
}

// Frames without a face are never asked for to be written, and stay as they were.
TEST_F(LipsyncEngine, LeavesFramesWithoutAFace) {
  const auto model = load();
  const std::vector<bool> faces = {false, true, true, true, true, true, true, false};
  auto frames = make_frames(faces);
  const auto before = make_frames(faces);
  const auto result = render(*open(*model), frames);
  ASSERT_TRUE(result) << result.failure().message << result.failure().detail;
  for (size_t i = 0; i < faces.size(); ++i) {
    const bool edited = result->frames[i].outcome == FrameOutcome::kEdited;
    EXPECT_EQ(edited, frames.written.contains(i)) << i;
    if (!faces[i]) {
      EXPECT_EQ(result->frames[i].outcome, FrameOutcome::kNoFace) << i;
      EXPECT_TRUE(frames.pictures[i].bytes.equal(before.pictures[i].bytes)) << i;
    }
  }
  EXPECT_FALSE(frames.written.empty());

  auto black = make_frames({false, false});
  const auto none = render(*open(*model), black);
  ASSERT_TRUE(none);
  EXPECT_TRUE(black.written.empty());
  EXPECT_EQ(none->seconds.denoise, 0);
}

// Stopped anywhere, a window has written nothing, and its session goes on as if it had not been.
TEST_F(LipsyncEngine, CancellationLeavesNoTrace) {
  const auto model = load();
  const std::vector<bool> faces(4, true);
  const auto session = open(*model);
  const auto untouched = open(*model);
  auto lead = make_frames(faces), other_lead = make_frames(faces);
  ASSERT_TRUE(render(*session, lead));
  ASSERT_TRUE(render(*untouched, other_lead));
  for (const double when : {-1.0, 0.1, 0.5, 0.9}) {
    std::stop_source stop;
    if (when < 0) stop.request_stop();
    auto frames = make_frames(faces);
    const auto result =
        render(*session, frames, {}, stop.get_token(), [&](const RenderProgress& progress) {
          if (progress.part >= when) stop.request_stop();
        });
    ASSERT_FALSE(result) << when;
    EXPECT_EQ(result.failure().code, ErrorCode::kCancelled) << when;
    EXPECT_TRUE(frames.written.empty()) << when;
  }
  auto after = make_frames(faces), expected = make_frames(faces);
  ASSERT_TRUE(render(*session, after));
  ASSERT_TRUE(render(*untouched, expected));
  EXPECT_TRUE(after.equals(expected));
}

// Frames in whose window allocation FAILS, counted from the first writable() on, fails.
class FramesShortOfMemory : public TestFrames {
 public:
  FramesShortOfMemory(TestFrames frames, int64_t fails)
      : TestFrames(std::move(frames)), fails_(fails) {}
  Result<kernels::ImageView> writable(size_t frame) override {
    if (!fault) fault.emplace(fails_);
    return pictures[frame].view;
  }

  std::optional<FailingAllocation> fault;

 private:
  int64_t fails_;
};

// Memory that runs out once frames are written to cannot leave half of a window edited: what needs
// memory was done before.
TEST_F(LipsyncEngine, NothingFailsOnceFramesAreWrittenTo) {
  const auto model = load();
  const std::vector<bool> faces(4, true);
  auto expected = make_frames(faces);
  ASSERT_TRUE(render(*open(*model), expected));
  for (const int64_t fails : {0, 1, 2, 5}) {
    FramesShortOfMemory frames(make_frames(faces), fails);
    const auto result = render(*open(*model), frames);
    frames.fault.reset();
    ASSERT_TRUE(result) << "allocation " << fails << ": " << result.failure().message;
    EXPECT_TRUE(frames.equals(expected)) << "allocation " << fails;
  }
}

// A window's progress goes through its stages in order, never back, and counts their steps: the
// denoising steps from 1 to the last, the batches of the autoencoder.
TEST_F(LipsyncEngine, ProgressTellsStageAndStep) {
  const auto model = load();
  auto frames = make_frames(std::vector<bool>(3, true));
  std::vector<std::string> stages;
  std::map<std::string, std::vector<int64_t>> steps;
  const std::map<std::string, int64_t> steps_of = {
      {"face", 0}, {"encode", 4}, {"denoise", 4}, {"decode", 2}, {"paste", 0}};
  double last = 0;
  const auto result =
      render(*open(*model), frames, {.vae_batch = 2}, {}, [&](const RenderProgress& progress) {
        EXPECT_GE(progress.part, last);
        EXPECT_LE(progress.part, 1);
        last = progress.part;
        if (stages.empty() || stages.back() != progress.stage) {
          stages.emplace_back(progress.stage);
        }
        steps[progress.stage].push_back(progress.step);
        EXPECT_EQ(progress.steps, steps_of.at(progress.stage));
      });
  ASSERT_TRUE(result) << result.failure().message;
  EXPECT_EQ(stages, (std::vector<std::string>{"face", "encode", "denoise", "decode", "paste"}));
  EXPECT_EQ(steps["encode"], (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(steps["denoise"], (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(steps["decode"], (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(last, 1);
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

// While rendering, the attention that takes the most is named where it is in use.
TEST_F(LipsyncEngine, MemoryThatRunsOutNamesTheAttention) {
  const Failure memory{ErrorCode::kOutOfMemory, "x", {}};
  EXPECT_NE(lipsync::rendering_failure(memory, {.attention = Attention::kStandard})
                .message.find("attention-mode=standard"),
            std::string::npos);
  EXPECT_EQ(lipsync::rendering_failure(memory, {}).message.find("attention"), std::string::npos);
}

// Two sessions on two threads share the model, and neither sees the other.
TEST_F(LipsyncEngine, TwoSessionsOnTwoThreads) {
  const auto model = load();
  const std::vector<bool> faces(3, true);
  auto expected = make_frames(faces);
  ASSERT_TRUE(render(*open(*model), expected));
  std::atomic<int> equal = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        const auto session = open(*model);
        for (int window = 0; window < 2; ++window) {
          auto frames = make_frames(faces);
          const auto result = session->render(
              {.frames = &frames, .discontinuity = true, .audio = audio_}, RenderSettings{});
          equal += result && frames.equals(expected) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(equal, 4);
}

// Windows that no model can do, and audio in the wrong place, are failures.
TEST_F(LipsyncEngine, WindowErrors) {
  const auto model = load();
  const auto session = open(*model);
  auto none = make_frames({});
  EXPECT_FALSE(render(*session, none));
  auto many = make_frames(std::vector<bool>(25, false));
  const auto result = render(*session, many);
  ASSERT_FALSE(result);
  EXPECT_NE(result.failure().message.find("window-frames"), std::string::npos);
  EXPECT_FALSE(session->render({}, {}, {}, {}));
  ASSERT_TRUE(session->append_audio(audio_));
  EXPECT_EQ(session->append_audio(audio_)->code, ErrorCode::kInvalidArgument);
  const auto whole = std::move(*model->open(AudioContext::kWhole, 0));
  auto frames = make_frames({true});
  EXPECT_FALSE(render(*whole, frames)) << "before finish_audio()";
  EXPECT_FALSE(whole->append_audio(audio_));
  EXPECT_FALSE(whole->finish_audio());
  EXPECT_TRUE(render(*whole, frames));
}

}  // namespace
}  // namespace latentsync::test
