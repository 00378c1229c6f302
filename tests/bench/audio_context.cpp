#include "core/audio/audio_features.h"
#include "core/audio/whole_audio.h"
#include "core/model/tensor_file.h"
#include "tests/support/wav.h"
#include "tests/support/whisper.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

/// How far the ways of giving audio to the encoder are apart; the figures of docs/audio.md.
///   audio-context CLIP.wav [WHISPER.safetensors HEADS]
/// Without a model it takes the golden set's. The clip is looped to 70 s.
namespace latentsync::test {
namespace {

using audio::kRowDurationNs;
using audio::kSampleRate;
using Features = std::function<at::Tensor(const std::vector<int64_t>&)>;

constexpr int64_t kSeconds = 70;
constexpr int64_t kWindow = 16;
constexpr int64_t kFrameNs = 40'000'000;

std::shared_ptr<audio::WhisperEncoder> load_encoder(const std::string& path, int64_t heads) {
  const auto tensors = model::open_tensor_file(path).tensors;
  const auto& positions = tensors.at("encoder.positional_embedding");
  nn::WhisperConfig config{.n_audio_ctx = positions.size(0),
                           .n_audio_state = positions.size(1),
                           .n_audio_head = heads,
                           .n_audio_layer = 0};
  while (tensors.contains("encoder.blocks." + std::to_string(config.n_audio_layer) +
                          ".attn_ln.weight")) {
    ++config.n_audio_layer;
  }
  auto weights = tensors;
  return whisper_encoder(config, weights);
}

// All frames of the clip in windows of 16, [frames, 10, layers * d].
at::Tensor all_frames(const Features& features) {
  std::vector<at::Tensor> windows;
  for (int64_t first = 0; first < kSeconds * 25; first += kWindow) {
    std::vector<int64_t> times;
    for (int64_t i = first; i < std::min(first + kWindow, kSeconds * 25); ++i) {
      times.push_back(i * kFrameNs);
    }
    windows.push_back(features(times));
  }
  return at::cat(windows).unflatten(1, {audio::kRowsPerFrame, -1}).flatten(2);
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

std::vector<double> norms(const at::Tensor& x) {
  const auto n = x.flatten(1).square().sum(1).sqrt().to(at::kDouble).contiguous();
  return {n.const_data_ptr<double>(), n.const_data_ptr<double>() + n.numel()};
}

// Differences frame by frame, in units of the spread of the features over the clip.
void print_difference(const std::string& name, const at::Tensor& actual,
                      const at::Tensor& expected) {
  const auto spread = norms(expected - expected.mean(0, true));
  double mean = 0;
  for (const auto value : spread) mean += value / static_cast<double>(spread.size());
  auto each = norms(actual - expected);
  for (auto& value : each) value /= mean;
  std::printf("| %s | %.3f | %.3f | %.3f |\n", name.c_str(), quantile(each, 0.5),
              quantile(each, 0.95), quantile(each, 1));
}

// Steps from each row to the next, in units of the median step. Rows r and r + 1 are the middle
// rows of consecutive half frames: row 4 of a slice is the frame's own, row 5 the one after it, and
// row 4 of the next frame comes after that, from the next window where one ends.
void print_steps(const std::string& name, const at::Tensor& frames) {
  const auto rows = frames.slice(1, 4, 6).flatten(0, 1);
  const auto steps = norms(rows.slice(0, 1) - rows.slice(0, 0, -1));
  const double median = quantile(steps, 0.5);
  std::vector<double> seams;
  for (size_t row = 2 * kWindow - 1; row < steps.size(); row += 2 * kWindow) {
    seams.push_back(steps[row]);
  }
  std::printf("| %s | %.2f | %.2f | %.2f | %.2f | %.2f |\n", name.c_str(), steps[1499] / median,
              steps[2999] / median, quantile(seams, 0.5) / median, quantile(steps, 0.99) / median,
              quantile(steps, 1) / median);
}

// For comparison: the 30 s that end with the look-ahead, so that every window lies at the end of
// its context, wherever that begins.
Features moving_context(std::shared_ptr<audio::WhisperEncoder> encoder,
                        const std::vector<float>& samples) {
  return [=](const std::vector<int64_t>& times) {
    const audio::LogMel log_mel(encoder->device(), encoder->config().n_mels);
    const audio::BlockGrid grid = audio::BlockGrid::cuts(encoder->config().n_audio_ctx);
    const auto end = std::min<int64_t>((times.back() + 500'000'000) / 62'500,
                                       static_cast<int64_t>(samples.size()));
    const auto first_row =
        std::max<int64_t>(0, end / audio::kSamplesPerRow - encoder->config().n_audio_ctx);
    const auto power =
        log_mel.log_power({samples, 0, end}, 2 * first_row, end / 160 - 2 * first_row);
    const double maximum = power.max().item<double>();
    auto shifted = times;
    for (auto& time : shifted) time -= first_row * kRowDurationNs;
    return audio::slice_frames(grid, shifted, grid.rows, true, [&](int64_t) {
      return audio::encode_block(*encoder, audio::normalise_log_mel(power, maximum),
                                 (maximum - 8 + 4) / 4);
    });
  };
}

Features whole(std::shared_ptr<audio::WhisperEncoder> encoder, const std::vector<float>& samples,
               audio::WholeMode mode) {
  auto state = std::make_shared<audio::WholeAudio>(std::move(encoder), mode);
  state->append(samples);
  state->finish();
  return [state](const std::vector<int64_t>& times) { return state->features(times); };
}

Features sliding(std::shared_ptr<audio::WhisperEncoder> encoder, const std::vector<float>& samples,
                 int64_t lookahead_ns) {
  auto state = std::make_shared<audio::SlidingAudio>(std::move(encoder), lookahead_ns);
  return [state, &samples](const std::vector<int64_t>& times) {
    return state->features(samples, 0, times);
  };
}

// For comparison: sliding, but silent after the look-ahead. One sample less than was asked for
// means that the audio ends there.
Features before_silence(std::shared_ptr<audio::WhisperEncoder> encoder,
                        const std::vector<float>& samples) {
  auto state = std::make_shared<audio::SlidingAudio>(std::move(encoder));
  return [state, &samples](const std::vector<int64_t>& times) {
    const auto end = std::min<size_t>(samples.size(), state->needed(times).end - 1);
    return state->features(std::span(samples).first(end), 0, times);
  };
}

void time_encoder(audio::WhisperEncoder& encoder, const std::vector<float>& samples) {
  const audio::LogMel log_mel(encoder.device(), encoder.config().n_mels);
  double mel_best = 1e9, encoder_best = 1e9;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    const auto mel = log_mel.whole_clip(std::span(samples).first(30 * kSampleRate));
    const auto middle = std::chrono::steady_clock::now();
    audio::encode_block(encoder, mel, 0).sum().item<float>();
    const auto end = std::chrono::steady_clock::now();
    mel_best = std::min(mel_best, std::chrono::duration<double>(middle - start).count());
    encoder_best = std::min(encoder_best, std::chrono::duration<double>(end - middle).count());
  }
  std::printf("\n30 s of audio: log-mel %.3f s, encoder %.3f s (best of 5)\n", mel_best,
              encoder_best);
}

void run(const std::string& clip_path, const std::shared_ptr<audio::WhisperEncoder>& encoder) {
  const auto clip = to_float(read_wav(clip_path));
  std::vector<float> samples(kSeconds * kSampleRate);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = clip[i % clip.size()];
  const auto seamless = all_frames(whole(encoder, samples, audio::WholeMode::kSeamless));
  const auto cuts = all_frames(whole(encoder, samples, audio::WholeMode::kReference));
  const auto stream = all_frames(sliding(encoder, samples, 500'000'000));
  const auto silent_future = all_frames(before_silence(encoder, samples));
  const auto moving = all_frames(moving_context(encoder, samples));

  std::printf(
      "| step between rows / median step | at 30 s | at 60 s | median at window seams | 99 %% | "
      "max |\n");
  std::printf("| --- | --- | --- | --- | --- | --- |\n");
  print_steps("reference: hard cuts", cuts);
  print_steps("whole: overlapping blocks", seamless);
  print_steps("sliding", stream);
  print_steps("(30 s that move with the window)", moving);

  std::printf("\n| difference / spread of the features | median | 95 %% | max |\n");
  std::printf("| --- | --- | --- | --- |\n");
  print_difference("reference against whole", cuts, seamless);
  for (const int64_t milliseconds : {120, 250, 1000, 5000}) {
    print_difference("sliding, look-ahead " + std::to_string(milliseconds) + " ms, against whole",
                     all_frames(sliding(encoder, samples, milliseconds * 1'000'000)), seamless);
  }
  print_difference("sliding, look-ahead 500 ms, against whole", stream, seamless);
  print_difference("the same, first 5 s", stream.slice(0, 0, 125), seamless.slice(0, 0, 125));
  print_difference("the same, 5 to 50 s", stream.slice(0, 125, 1250), seamless.slice(0, 125, 1250));
  print_difference("(the same with silence for the unknown future)",
                   silent_future.slice(0, 125, 1250), seamless.slice(0, 125, 1250));
  print_difference("(30 s that move with the window, 500 ms, against whole)", moving, seamless);
  const auto frames = static_cast<int64_t>(clip.size()) / (kSampleRate / 25);
  const auto short_frames = [&](audio::WholeMode mode) {
    std::vector<int64_t> times;
    for (int64_t i = 0; i < frames; ++i) times.push_back(i * kFrameNs);
    return whole(encoder, clip, mode)(times);
  };
  print_difference("one short clip: zeros as padding against silence",
                   short_frames(audio::WholeMode::kReference),
                   short_frames(audio::WholeMode::kSeamless));
  time_encoder(*encoder, samples);
}

}  // namespace
}  // namespace latentsync::test

int main(int argc, char** argv) {
  namespace test = latentsync::test;
  if (argc != 2 && argc != 4) {
    std::fprintf(stderr, "usage: audio-context CLIP.wav [WHISPER.safetensors HEADS]\n");
    return 2;
  }
  try {
    test::run(argv[1], argc == 4 ? test::load_encoder(argv[2], std::stol(argv[3]))
                                 : test::golden_whisper_encoder());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
