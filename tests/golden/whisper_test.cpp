#include "tests/support/whisper.h"

#include "core/audio/whole_audio.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/wav.h"
#include "tests/support/weights.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using audio::kRowsBeforeFrame;

constexpr Tolerance kFeatures{.max_abs = 1e-4, .rel_l2 = 1e-5};
constexpr Tolerance kReal{.rel_l2 = 1e-5};

int64_t frame_time(int64_t frame, int64_t rate) { return frame * 1'000'000'000 / rate; }

// [F, 10 * layers, d] of frames at 25 a second, in the reference's mode.
at::Tensor chunks(audio::WholeAudio& whole, const at::Tensor& frames) {
  std::vector<int64_t> times;
  for (int64_t i = 0; i < frames.numel(); ++i) {
    times.push_back(frame_time(frames[i].item<int64_t>(), 25));
  }
  return whole.features(times);
}

// All rows [rows, layers, d]: of a frame's slice, the row at its own time.
at::Tensor all_rows(audio::WholeAudio& whole, int64_t layers) {
  std::vector<int64_t> times;
  for (int64_t row = 0; row < whole.rows(); ++row) times.push_back(row * audio::kRowDurationNs);
  return whole.features(times).unflatten(1, {-1, layers}).select(1, kRowsBeforeFrame);
}

audio::WholeAudio reference_audio(const std::vector<float>& samples) {
  audio::WholeAudio whole(golden_whisper_encoder(), audio::WholeMode::kReference);
  whole.append(samples);
  whole.finish();
  return whole;
}

// Samples of a golden clip, repeated from its beginning up to a length.
std::optional<std::vector<float>> looped_clip(const std::string& name, size_t length) {
  const auto sha = golden("mel/mel.safetensors").metadata.at(name + ".pcm_s16le_sha256");
  const auto samples = find_clip(name, sha);
  if (!samples) return std::nullopt;
  auto looped = to_float(*samples);
  looped.reserve(length);
  while (looped.size() < length) looped.push_back(looped[looped.size() - samples->size()]);
  looped.resize(length);
  return looped;
}

at::Tensor padded_mel(const audio::WhisperEncoder& encoder) {
  const auto mel = golden("mel/mel.safetensors").tensors.at("demo1.mel");
  const auto missing = 2 * encoder.config().n_audio_ctx - mel.size(1);
  return at::constant_pad_nd(mel, {0, missing}).unsqueeze(0).to(encoder.device(), encoder.dtype());
}

// The encoder's output and all its states are the reference's.
TEST(WhisperGolden, StatesAndOutput) {
  const at::NoGradGuard no_grad;
  const auto file = golden("whisper/whisper_cases.safetensors");
  const auto encoder = golden_whisper_encoder();
  const auto states = encoder->forward(padded_mel(*encoder));
  // A trimmed set lacks it; its rows are in audio2feat.
  if (const auto stacked = file.tensors.find("embeddings_stacked"); stacked != file.tensors.end()) {
    EXPECT_TRUE(close(states, stacked->second, tolerance(kFeatures)));
  }
  EXPECT_TRUE(
      close(encoder->output(states), file.tensors.at("encoder_ln_post"), tolerance(kFeatures)));
}

// A real-size encoder gives the reference's rows.
TEST(WhisperGolden, RealSize) {
  const at::NoGradGuard no_grad;
  if (!std::filesystem::exists(golden_dir() / "real/vae_whisper_real.safetensors")) {
    GTEST_SKIP() << "no real-size networks in this set";
  }
  const auto file = golden("real/vae_whisper_real.safetensors");
  const auto manifest = read_manifest(golden_dir() / "real/whisper_manifest.json");
  model::TensorMap weights;
  for (const auto& [name, shape] : manifest.params) {
    if (name.starts_with("encoder.")) weights.emplace(name, generate_weight(name, shape, 11));
  }
  const nn::WhisperConfig config{.n_mels = manifest.dims.at("n_mels"),
                                 .n_audio_ctx = manifest.dims.at("n_audio_ctx"),
                                 .n_audio_state = manifest.dims.at("n_audio_state"),
                                 .n_audio_head = manifest.dims.at("n_audio_head"),
                                 .n_audio_layer = manifest.dims.at("n_audio_layer")};
  const auto encoder = whisper_encoder(config, weights);
  const auto states = encoder->forward(padded_mel(*encoder));
  const auto index = file.tensors.at("whisper.row_index").to(encoder->device());
  EXPECT_TRUE(close(states[0].transpose(0, 1).index_select(0, index),
                    file.tensors.at("whisper.embeddings_rows"), tolerance(kReal)));
  EXPECT_TRUE(close(encoder->output(states)[0].index_select(0, index),
                    file.tensors.at("whisper.ln_post_rows"), tolerance(kReal)));
}

// From samples to feature rows and frame slices: the reference's, for a clip below 30 s.
TEST(WhisperGolden, ShortClip) {
  const auto file = golden("whisper/whisper_cases.safetensors");
  const auto samples = golden("mel/mel.safetensors").metadata.at("demo1.samples");
  const auto clip = looped_clip("demo1", std::stoul(samples));
  if (!clip) GTEST_SKIP() << "no file with the samples of demo1 is at hand";
  auto whole = reference_audio(*clip);
  const auto& rows = file.tensors.at("audio2feat");
  ASSERT_EQ(whole.rows(), rows.size(0));
  EXPECT_TRUE(close(all_rows(whole, rows.size(1)), rows, tolerance(kFeatures)));
  EXPECT_TRUE(close(chunks(whole, file.tensors.at("chunks_idx")), file.tensors.at("chunks"),
                    tolerance(kFeatures)));
}

// The same for a clip of several 30-second segments, rows at the cuts included.
TEST(WhisperGolden, LongClip) {
  const auto file = golden("whisper/whisper_long.safetensors");
  const auto clip = looped_clip("demo1", std::stoul(file.metadata.at("samples")));
  if (!clip) GTEST_SKIP() << "no file with the samples of demo1 is at hand";
  auto whole = reference_audio(*clip);
  ASSERT_EQ(whole.rows(), std::stol(file.metadata.at("n_features")));
  const auto layers = file.tensors.at("features_around_boundaries").size(1);
  const auto rows = all_rows(whole, layers);
  if (file.tensors.contains("audio2feat_f16")) {
    EXPECT_TRUE(close(rows, file.tensors.at("audio2feat_f16"), tolerance({.max_abs = 5e-3})));
  }
  const auto index = file.tensors.at("features_around_boundaries_idx").to(rows.device());
  EXPECT_TRUE(close(rows.index_select(0, index), file.tensors.at("features_around_boundaries"),
                    tolerance(kFeatures)));
  EXPECT_TRUE(close(chunks(whole, file.tensors.at("chunks_idx")), file.tensors.at("chunks"),
                    tolerance(kFeatures)));
}

// The audio of the golden pipeline gives its features, and the slices of its first window.
TEST(WhisperGolden, PipelineAudio) {
  if (!std::filesystem::exists(golden_dir() / "pipeline/audio.wav")) {
    GTEST_SKIP() << "no pipeline in this set";
  }
  const auto file = golden("pipeline/pipeline.safetensors");
  auto whole = reference_audio(to_float(read_wav(golden_dir() / "pipeline/audio.wav")));
  const auto& rows = file.tensors.at("audio_features");
  ASSERT_EQ(whole.rows(), rows.size(0));
  EXPECT_TRUE(close(all_rows(whole, rows.size(1)), rows, tolerance(kFeatures)));
  // The guided batch: the unconditional half, zeros, comes first. The trimmed copy is without it.
  const auto stored = file.tensors.find("window0.audio_embeds");
  if (stored == file.tensors.end()) return;
  const auto& both = stored->second;
  const auto expected = both.slice(0, both.size(0) / 2);
  std::vector<int64_t> times;
  for (int64_t frame = 0; frame < expected.size(0); ++frame) times.push_back(frame_time(frame, 25));
  EXPECT_TRUE(close(whole.features(times), expected, tolerance(kFeatures)));
}

// The rows of every frame at other rates, by time, are those that the reference counts.
TEST(WhisperGolden, RowsAtOtherRates) {
  const auto file = golden("whisper/whisper_long.safetensors");
  int checked = 0;
  for (const auto& [name, expected] : file.tensors) {
    const std::string prefix = "first480_fps";
    if (!name.starts_with(prefix)) continue;
    const int64_t rate = std::stol(name.substr(prefix.size()));
    const int64_t last_row = std::stol(prefix.substr(5)) - 1;
    for (int64_t frame = 0; frame < expected.size(0); ++frame) {
      for (int64_t i = 0; i < expected.size(1); ++i) {
        const auto row = audio::first_row_of_frame(frame_time(frame, rate)) + i;
        ASSERT_EQ(std::clamp<int64_t>(row, 0, last_row), expected[frame][i].item<int64_t>())
            << name << " frame " << frame;
      }
    }
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

}  // namespace
}  // namespace latentsync::test
