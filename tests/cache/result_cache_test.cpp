#include "tests/cache/store_folder.h"
#include "tests/support/golden.h"
#include "tests/support/safetensors_writer.h"
#include "tests/unit/lipsync_session.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr RenderSettings kQuick{.inference_steps = 2, .feature_cache = 0};

// Frames that call WORK when the first of them is about to be written to.
class WatchedFrames : public ClipFrames {
 public:
  WatchedFrames(ClipFrames frames, std::function<void()> work)
      : ClipFrames(std::move(frames)), work_(std::move(work)) {}
  Result<kernels::ImageView> writable(size_t frame) override {
    if (written.empty()) work_();
    return ClipFrames::writable(frame);
  }

 private:
  std::function<void()> work_;
};

class ResultCacheTest : public LipsyncSessionTest {
 protected:
  // What became of a window of a session of its own, which has a cache.
  struct Outcome {
    WindowResult result;
    std::set<std::string> stages;
  };

  CacheSettings cache() const { return {.enabled = true, .folder = folder_ / "cache"}; }
  fs::path root() const { return folder_ / "cache"; }
  std::vector<fs::path> entries() const { return files_in(root(), ".entry"); }
  // The smallest one: that of the latents; the faces have two of the same size.
  fs::path latents() const {
    return std::ranges::min(entries(), {},
                            [](const fs::path& file) { return fs::file_size(file); });
  }

  std::unique_ptr<Session> open(Model& model) const { return open(model, cache()); }
  static std::unique_ptr<Session> open(Model& model, const CacheSettings& cache) {
    auto session = model.open(AudioContext::kSliding, 500'000'000, {}, cache);
    EXPECT_TRUE(session) << session.failure().message;
    return std::move(*session);
  }

  static std::unique_ptr<lipsync::LipsyncSession> open_two_rungs(Model& model,
                                                                 const CacheSettings& cache) {
    return open_with(model,
                     {{.name = "whole", .window_frames = 24},
                      {.name = "vae-batch-1", .vae_batch = 1, .window_frames = 24}},
                     AudioContext::kSliding, 0, cache);
  }

  static Outcome render(Session& session, const Window& window, const RenderSettings& settings) {
    Outcome outcome;
    auto result = session.render(window, settings, {}, [&](const RenderProgress& progress) {
      outcome.stages.insert(progress.stage);
    });
    EXPECT_TRUE(result) << result.failure().message << result.failure().detail;
    if (result) outcome.result = std::move(*result);
    EXPECT_EQ(outcome.result.cached, !outcome.stages.contains("denoise"));
    return outcome;
  }
  Outcome render_alone(Model& model, const Window& window,
                       const RenderSettings& settings = kQuick) const {
    return render(*open(model), window, settings);
  }
  Outcome render_alone(Model& model, TestFrames& frames,
                       const RenderSettings& settings = kQuick) const {
    return render_alone(model, window(frames), settings);
  }

  // The usual window, as it is without a cache.
  ClipFrames expected(Model& model) {
    auto frames = window_of(0, 2);
    EXPECT_TRUE(open(model, {})->render(window(frames), kQuick, {}, {}));
    return frames;
  }

 private:
  TemporaryFolder folder_;
};

// The same input is found, in another session too; its frames and results are those of the
// rendering, and nothing is denoised. In each precision of the networks.
TEST_F(ResultCacheTest, SameInputIsFound) {
  size_t known = 0;
  for (const auto precision : {Precision::kFloat32, Precision::kBfloat16}) {
    SCOPED_TRACE(static_cast<int>(precision));
    auto settings = this->settings();
    settings.precision = precision;
    const auto loaded = engine().load(settings);
    ASSERT_TRUE(loaded) << loaded.failure().message;
    auto& model = **loaded;
    const auto wanted = expected(model);
    EXPECT_EQ(entries().size(), known);
    auto first = window_of(0, 2), again = window_of(0, 2);
    const auto rendered = render_alone(model, first);
    EXPECT_FALSE(rendered.result.cached);
    EXPECT_EQ(rendered.result.cache_warning, "");
    ASSERT_EQ(entries().size(), known += 2);
    const auto cached = render_alone(model, again);
    EXPECT_FALSE(cached.stages.contains("encode"));
    EXPECT_TRUE(cached.stages.contains("decode"));
    EXPECT_TRUE(cached.result.cached);
    EXPECT_EQ(cached.result.cache_warning, "");
    EXPECT_TRUE(first.equals(wanted));
    EXPECT_TRUE(again.equals(wanted));
    ASSERT_EQ(cached.result.frames.size(), rendered.result.frames.size());
    for (size_t i = 0; i < cached.result.frames.size(); ++i) {
      EXPECT_EQ(cached.result.frames[i].outcome, rendered.result.frames[i].outcome);
      EXPECT_EQ(cached.result.frames[i].weight, rendered.result.frames[i].weight);
      EXPECT_EQ(cached.result.frames[i].face.left, rendered.result.frames[i].face.left);
    }
    EXPECT_EQ(cached.result.rung, rendered.result.rung);
    EXPECT_EQ(entries().size(), known);
  }
}

// How many frames the autoencoder takes at once is no matter of what is found; what is found is
// decoded as the rung in force has it, to the bytes that are rendered there without a cache.
TEST_F(ResultCacheTest, DecodesAtTheRungInForce) {
  const auto model = load();
  // Memory runs out when STAGE is first reported.
  const auto render_short_of_memory = [&](ClipFrames& frames, const std::string& stage,
                                          const CacheSettings& cache) {
    const auto session = open_two_rungs(*model, cache);
    const auto result =
        session->render(window(frames), kQuick, {}, [&](const RenderProgress& progress) {
          if (progress.stage != stage || session->memory_plan().chosen != 0) return;
          session->share().account()->refuse_allocation(1);
        });
    EXPECT_TRUE(result) << result.failure().message;
    EXPECT_EQ(result->rung, "vae-batch-1");
    return result->cached;
  };
  auto wanted = window_of(0, 2), whole = window_of(0, 2), found = window_of(0, 2);
  EXPECT_FALSE(render_short_of_memory(wanted, "denoise", {}));
  EXPECT_FALSE(render(*open_two_rungs(*model, cache()), window(whole), kQuick).result.cached);
  EXPECT_TRUE(render_short_of_memory(found, "face", cache()));
  EXPECT_TRUE(found.equals(wanted));
}

// A clip whose windows are all found goes on from the state that the last one leaves: what follows
// has the bytes of a run that was not interrupted.
TEST_F(ResultCacheTest, AClipGoesOnWhereItWas) {
  const auto model = load();
  std::vector<ClipFrames> wanted;
  {
    const auto session = open(*model, {});
    for (size_t first = 0; first < 9; first += 3) {
      wanted.push_back(window_of(first, 3));
      ASSERT_TRUE(session->render(window(wanted.back()), kQuick, {}, {}));
    }
  }
  for (const size_t interrupted : {2, 3}) {
    const auto session = open(*model);
    for (size_t i = 0; i < interrupted; ++i) {
      auto frames = window_of(3 * i, 3);
      EXPECT_EQ(render(*session, window(frames), kQuick).result.cached, interrupted == 3 && i < 2);
      EXPECT_TRUE(frames.equals(wanted[i])) << i;
    }
  }
}

// A preview and a final pass share faces, crops and latents, and so do passes with other audio;
// each has the bytes that it has without a cache.
TEST_F(ResultCacheTest, PassesShareFaces) {
  const auto model = load();
  const RenderSettings preview{.inference_steps = 2, .attention = Attention::kFlash},
      final_pass{.inference_steps = 4, .attention = Attention::kFlex};
  auto wanted = window_of(0, 2), previewed = window_of(0, 2), finished = window_of(0, 2);
  ASSERT_TRUE(open(*model, {})->render(window(wanted), final_pass, {}, {}));
  EXPECT_TRUE(render_alone(*model, previewed, preview).stages.contains("encode"));
  const auto outcome = render_alone(*model, finished, final_pass);
  EXPECT_FALSE(outcome.result.cached);
  EXPECT_FALSE(outcome.stages.contains("encode"));
  EXPECT_EQ(outcome.result.seconds.encode, 0);
  EXPECT_TRUE(finished.equals(wanted));
  const std::vector<float> silence(audio_.size());
  auto frames = window_of(0, 2);
  auto silent = window(frames);
  silent.audio = silence;
  EXPECT_FALSE(render_alone(*model, silent, final_pass).stages.contains("encode"));
}

// Faces are not shared with a window of other frames, of another state that it enters with, or with
// other settings that choose or encode them.
TEST_F(ResultCacheTest, OneChangeIsOtherFaces) {
  const auto model = load();
  const auto encodes = [&](ClipFrames frames, const RenderSettings& settings = kQuick) {
    return render_alone(*model, frames, settings).stages.contains("encode");
  };
  EXPECT_TRUE(encodes(window_of(0, 2)));
  auto changed = window_of(0, 2);
  changed.pictures[1].view.planes[0].data[0] ^= 1;
  EXPECT_TRUE(encodes(std::move(changed))) << "a sample far from the face";
  EXPECT_TRUE(encodes(window_of(0, 3)));
  for (const auto& change : std::vector<std::function<void(RenderSettings&)>>{
           [](auto& s) { s.face_select = FaceSelect::kCenter; },
           [](auto& s) { s.nearest_x = 0.6; },
           [](auto& s) { s.nearest_y = 0.6; },
           [](auto& s) { s.resolution = 192; },
           [](auto& s) { s.vae_batch = 1; },
       }) {
    auto settings = kQuick;
    change(settings);
    EXPECT_TRUE(encodes(window_of(0, 2), settings));
  }
  const auto session = open(*model);
  auto before = window_of(3, 1), after = window_of(0, 2);
  render(*session, window(before), kQuick);
  EXPECT_TRUE(render(*session, window(after), kQuick).stages.contains("encode"));
  EXPECT_FALSE(encodes(window_of(0, 2)));
}

// What is prepared ahead of time comes from the cache and goes there like everything else.
TEST_F(ResultCacheTest, PreparesAheadFromTheCache) {
  const auto model = load();
  const auto wanted = expected(*model);
  for (const bool cached : {false, true}) {
    const auto session = open(*model);
    auto frames = window_of(0, 2);
    ASSERT_FALSE(session->prepare(window(frames), kQuick));
    EXPECT_EQ(render(*session, window(frames), kQuick).result.cached, cached);
    EXPECT_TRUE(frames.equals(wanted));
  }
  EXPECT_EQ(entries().size(), 2u);
}

// Every single change of what leads to a window's pictures is another window.
TEST_F(ResultCacheTest, OneChangeIsAnotherWindow) {
  const auto model = load();
  auto frames = window_of(0, 2);
  EXPECT_FALSE(render_alone(*model, frames).result.cached);

  const std::vector<std::pair<const char*, std::function<void(RenderSettings&)>>> settings = {
      {"seed", [](auto& s) { s.seed = 1248; }},
      {"lips-expression", [](auto& s) { s.guidance_scale = 1.5000001; }},
      {"inference-steps", [](auto& s) { s.inference_steps = 3; }},
      {"attention-mode", [](auto& s) { s.attention = Attention::kFlash; }},
      {"feature-cache", [](auto& s) { s.feature_cache = 2; }},
      {"resolution", [](auto& s) { s.resolution = 192; }},
  };
  for (const auto& [name, change] : settings) {
    auto changed = kQuick;
    change(changed);
    frames = window_of(0, 2);
    EXPECT_FALSE(render_alone(*model, frames, changed).result.cached) << name;
  }

  const auto expect_other = [&](const char* name, const std::function<void(ClipFrames&)>& change) {
    auto changed = window_of(0, 2);
    change(changed);
    EXPECT_FALSE(render_alone(*model, changed).result.cached) << name;
  };
  expect_other("a sample in the face", [](auto& frames) {
    const auto& luma = frames.pictures[1].view.planes[0];
    luma.data[120 * luma.stride + 96] ^= 1;
  });
  expect_other("two frames swapped",
               [](auto& frames) { std::swap(frames.pictures[0], frames.pictures[1]); });
  expect_other("a longer window", [](auto& frames) { frames = window_of(0, 3); });
  expect_other("a shorter window", [](auto& frames) { frames = window_of(0, 1); });
  expect_other("later frames", [](auto& frames) { frames = window_of(1, 2); });
  expect_other("no face in a frame", [](auto& frames) {
    frames = ClipFrames(make_frames({true, false}), 0);
  });

  auto samples = audio_;
  samples[1000] += 1e-3F;
  frames = window_of(0, 2);
  auto sounding = window(frames);
  sounding.audio = samples;
  EXPECT_FALSE(render_alone(*model, sounding).result.cached) << "a sample of the audio";

  const auto session = open(*model);
  auto before = ClipFrames(make_frames({true, true, true, true}), 0);
  std::rotate(before.pictures.begin(), before.pictures.begin() + 1, before.pictures.end());
  ASSERT_FALSE(render(*session, window(before), kQuick).result.cached);
  frames = window_of(0, 2);
  EXPECT_FALSE(render(*session, window(frames), kQuick).result.cached) << "the entering state";

  frames = window_of(0, 2);
  EXPECT_TRUE(render_alone(*model, frames).result.cached) << "nothing";
}

// Another weight, another precision: another model.
TEST_F(ResultCacheTest, AnotherModelIsAnotherWindow) {
  {
    auto frames = window_of(0, 2);
    EXPECT_FALSE(render_alone(*load(), frames).result.cached);
  }
  const GoldenModelFolder other(
      {{"name", "tiny"}, {"resolution", 128}, {"inference_steps", 4}, {"feature_cache", 2}});
  const auto outcome = [&](ModelSettings wanted) {
    const auto model = engine().load(wanted);
    EXPECT_TRUE(model) << model.failure().message;
    auto frames = window_of(0, 2);
    return render_alone(**model, frames).result.cached;
  };
  auto wanted = settings();
  wanted.folder = other.path();
  EXPECT_TRUE(outcome(wanted)) << "a copy of the folder";
  auto weights = golden_weights("unet", "unet_tiny");
  weights.at("conv_out.bias")[0] += 1e-4F;
  write_safetensors(other.path() + "/latentsync_unet.safetensors", weights);
  EXPECT_FALSE(outcome(wanted)) << "a weight";
  wanted.folder = settings().folder;
  wanted.precision = Precision::kBfloat16;
  EXPECT_FALSE(outcome(wanted)) << "the precision";
  EXPECT_TRUE(outcome(settings()));
}

// A damaged entry is told of once, rendered anew to the same bytes, and whole afterwards.
TEST_F(ResultCacheTest, ADamagedEntryIsRenderedAnew) {
  const auto model = load();
  auto wanted = window_of(0, 2);
  render_alone(*model, wanted);
  ASSERT_EQ(entries().size(), 2u);
  for (const auto& entry : entries()) {
    auto bytes = read_file(entry);
    bytes[bytes.size() / 2] ^= 1;
    write_file(entry, bytes);
    auto frames = window_of(0, 2);
    const auto outcome = render_alone(*model, frames).result;
    EXPECT_EQ(outcome.cached, entry != latents());
    EXPECT_NE(outcome.cache_warning.find(entry.string()), std::string::npos)
        << outcome.cache_warning;
    EXPECT_TRUE(frames.equals(wanted));
    frames = window_of(0, 2);
    EXPECT_TRUE(render_alone(*model, frames).result.cached);
    EXPECT_TRUE(frames.equals(wanted));
  }
}

// A folder that cannot be used is told of with the first window and not again; the windows have the
// bytes that they have without a cache.
TEST_F(ResultCacheTest, AFolderOfNoUseIsToldOfOnce) {
  const auto model = load();
  const auto wanted = expected(*model);
  write_file(root(), "a file");
  const auto session = open(*model);
  auto first = window_of(0, 2);
  const auto outcome = render(*session, window(first), kQuick).result;
  EXPECT_NE(outcome.cache_warning.find(root().string()), std::string::npos);
  EXPECT_NE(outcome.cache_warning.find("disk-cache-dir"), std::string::npos);
  EXPECT_TRUE(first.equals(wanted));
  auto second = window_of(2, 2), third = window_of(4, 2);
  for (auto* frames : {&second, &third}) {
    EXPECT_EQ(render(*session, window(*frames), kQuick).result.cache_warning, "");
  }
}

// That an entry could not be written is told of with the window after it.
TEST_F(ResultCacheTest, AFailedWriteIsToldOfOnce) {
  const auto model = load();
  auto settings = cache();
  settings.most_bytes = 1000;
  const auto session = open(*model, settings);
  std::vector<std::string> warnings;
  for (size_t i = 0; i < 4; ++i) {
    auto frames = window_of(2 * i, 2);
    const auto warning = render(*session, window(frames), kQuick).result.cache_warning;
    if (!warning.empty()) warnings.push_back(warning);
  }
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("disk-cache-size"), std::string::npos) << warnings[0];
  EXPECT_TRUE(entries().empty());
}

// That the last window's entry could not be written is reported at the end of the session, once.
TEST_F(ResultCacheTest, AFailedWriteOfTheLastWindowIsToldOf) {
  const auto model = load();
  auto settings = cache();
  settings.most_bytes = 1000;
  const auto session = open(*model, settings);
  auto frames = window_of(0, 2);
  // The disk may be faster than the window's end.
  auto warnings = render(*session, window(frames), kQuick).result.cache_warning;
  warnings += session->finish_cache();
  const auto place = warnings.find("disk-cache-size");
  EXPECT_NE(place, std::string::npos) << warnings;
  EXPECT_EQ(warnings.find("disk-cache-size", place + 1), std::string::npos) << warnings;
  EXPECT_EQ(session->finish_cache(), "");
  EXPECT_EQ(open(*model, {})->finish_cache(), "");
}

// A window is kept when its frames have been written to, and not before; one that fails, is
// cancelled or was partly made at another rung is not kept.
TEST_F(ResultCacheTest, KeepsFinishedWindowsOnly) {
  const auto model = load();
  {
    const auto session = open(*model);
    std::stop_source stop;
    auto frames = window_of(0, 2);
    EXPECT_FALSE(session->render(window(frames), kQuick, stop.get_token(),
                                 [&](const RenderProgress& progress) {
                                   if (std::string(progress.stage) == "decode") {
                                     stop.request_stop();
                                   }
                                 }));
  }
  EXPECT_TRUE(entries().empty()) << "cancelled";
  {
    const auto session = open_two_rungs(*model, cache());
    auto frames = window_of(0, 2);
    const auto result =
        session->render(window(frames), kQuick, {}, [&](const RenderProgress& progress) {
          if (std::string(progress.stage) != "denoise" || progress.step != 1) return;
          if (session->memory_plan().chosen == 0) {
            session->share().account()->refuse_allocation(1);
          }
        });
    ASSERT_TRUE(result) << result.failure().message;
    EXPECT_EQ(result->rung, "vae-batch-1");
  }
  EXPECT_EQ(entries().size(), 1u) << "another rung: its faces are of the first";
  WatchedFrames frames(window_of(0, 2), [&] { EXPECT_EQ(entries().size(), 1u); });
  EXPECT_FALSE(render_alone(*model, frames).result.cached);
  EXPECT_EQ(entries().size(), 2u);
}

// Pictures that are no numbers are an error, and are not kept.
TEST_F(ResultCacheTest, KeepsNoPicturesThatAreNoNumbers) {
  const GoldenModelFolder other({{"resolution", 128}, {"inference_steps", 2}});
  auto weights = golden_weights("unet", "unet_tiny");
  weights.at("conv_out.weight").mul_(1e37);
  write_safetensors(other.path() + "/latentsync_unet.safetensors", weights);
  auto wanted = settings();
  wanted.folder = other.path();
  const auto model = engine().load(wanted);
  ASSERT_TRUE(model) << model.failure().message;
  auto frames = window_of(0, 2);
  EXPECT_FALSE(open(**model)->render(window(frames), {}, {}, {}));
  EXPECT_TRUE(entries().empty());
}

// A model whose files were replaced before they were hashed may be any model: no cache.
TEST_F(ResultCacheTest, AReplacedModelIsToldOf) {
  const GoldenModelFolder other({{"resolution", 128}, {"inference_steps", 2}});
  auto wanted = settings();
  wanted.folder = other.path();
  const auto model = engine().load(wanted);
  ASSERT_TRUE(model) << model.failure().message;
  write_safetensors(other.path() + "/latentsync_unet.safetensors",
                    golden_weights("unet", "unet_tiny"));
  auto frames = window_of(0, 2);
  const auto outcome = render_alone(**model, frames).result;
  EXPECT_NE(outcome.cache_warning.find("replaced"), std::string::npos) << outcome.cache_warning;
  EXPECT_TRUE(entries().empty());
}

// That there is no face is known, too.
TEST_F(ResultCacheTest, KeepsWindowsWithoutAFace) {
  const auto model = load();
  for (int i = 0; i < 2; ++i) {
    auto frames = make_frames({false, false});
    const auto result = open(*model)->render(window(frames), kQuick, {}, {});
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->cached) << "there was nothing to denoise";
    EXPECT_EQ(result->frames[1].outcome, FrameOutcome::kNoFace);
    EXPECT_EQ(entries().size(), 1u);
  }
}

}  // namespace
}  // namespace latentsync::test
