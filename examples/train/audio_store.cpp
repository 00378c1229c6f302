#include "examples/train/audio_store.h"

#include "core/audio/feature_grid.h"
#include "examples/train/audio_training.h"

#include <algorithm>
#include <omp.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace latentsync::train {
namespace {

constexpr double kFaint = 1e-3;  // of full scale

std::vector<Clip> quiet_clips() {
  constexpr auto kFrames = AudioStore::kQuietFrames;
  Clip silence{.name = "silence"};
  silence.crops = at::zeros({kFrames, 0});
  silence.mouth = at::zeros({kFrames, Clip::kMouthValues});
  silence.sound = at::zeros({kFrames * Clip::kSamplesPerFrame});
  Clip noise = silence;
  noise.name = "noise";
  noise.sound = at::randn_like(silence.sound) * kFaint;
  return {silence, noise};
}

}  // namespace

AudioStore::AudioStore(const Dataset& dataset, audio::WhisperEncoder& encoder, int64_t versions,
                       Random& random)
    : encoder_(encoder),
      windows_(encoder.config().n_audio_ctx, encoder.config().n_mels),
      sampler_(dataset.of(Part::kTrain), ClipSampler::kForFaces),
      quiet_(quiet_clips()),
      versions_(versions) {
  for (int64_t round = 0; round < versions; ++round) {
    auto clips = dataset.of(Part::kTrain);
    for (const auto& quiet : quiet_) {
      if (round % 2 == 0) {
        clips.push_back(&quiet);
      } else {
        encode({&quiet}, random);
      }
    }
    std::shuffle(clips.begin(), clips.end(), random);
    encode(clips, random);
  }
}

std::future<AudioWindow> AudioStore::next_window(uint64_t seed) const {
  return std::async(std::launch::async, [this, seed] {
    at::internal::lazy_init_num_threads();  // else a first operator would undo the next line
    omp_set_num_threads(1);
    Random random(seed);
    std::vector<const Clip*> clips;
    for (int clip = 0; clip < 16; ++clip) clips.push_back(&sampler_.draw(random));
    clips[random() % 4] = &quiet(random);
    size_t next = 0;
    return windows_.packed(clips, next, random, Pace::kKept);
  });
}

void AudioStore::refresh(Random& random) {
  if (!next_.valid()) next_ = next_window(random());
  const auto window = next_.get();
  next_ = next_window(random());
  encode(window);
  if (random() % 4 == 0) encode({&quiet(random)}, random);
}

void AudioStore::encode(const std::vector<const Clip*>& clips, Random& random) {
  for (size_t next = 0; next < clips.size();) {
    encode(windows_.packed(clips, next, random, Pace::kKept));
  }
}

void AudioStore::encode(const AudioWindow& window) {
  const at::NoGradGuard no_grad;
  const auto states =
      encoder_.forward(window.mel.unsqueeze(0).to(encoder_.device(), encoder_.dtype()))
          .squeeze(0)
          .transpose(0, 1)
          .flatten(1);  // [rows, layers * width]
  for (const auto& placed : window.placed) {
    const auto count = 2 * placed.mouth.size(0) + audio::kRowsPerFrame;
    const auto rows = (at::arange(count, at::kLong) + (placed.first_row - audio::kRowsBeforeFrame))
                          .clamp(0, states.size(0) - 1);
    auto& versions = clips_[placed.clip];
    auto version = states.index_select(0, rows.to(states.device()));
    if (static_cast<int64_t>(versions.states.size()) < versions_) {
      versions.states.push_back(std::move(version));
    } else {
      versions.states[static_cast<size_t>(versions.oldest)] = std::move(version);
      versions.oldest = (versions.oldest + 1) % versions_;
    }
  }
}

at::Tensor AudioStore::take(const std::vector<const Clip*>& clip, const std::vector<int64_t>& frame,
                            int64_t run, Random& random) const {
  std::vector<at::Tensor> rows;
  uint64_t choice = 0;
  for (size_t i = 0; i < clip.size(); ++i) {
    if (i % static_cast<size_t>(run) == 0) choice = random();
    const auto& versions = clips_.at(clip[i]).states;
    rows.push_back(
        versions[choice % versions.size()].narrow(0, 2 * frame[i], audio::kRowsPerFrame));
  }
  return at::stack(rows).view(
      {static_cast<int64_t>(clip.size()), -1, encoder_.config().n_audio_state});
}

at::Tensor tokens_alone(const Clip& clip, audio::WhisperEncoder& encoder) {
  const at::NoGradGuard no_grad;
  const AudioWindows windows(encoder.config().n_audio_ctx, encoder.config().n_mels);
  const auto window = windows.alone(clip);
  const auto states =
      encoder.forward(window.mel.unsqueeze(0).to(encoder.device(), encoder.dtype()));
  const auto rows = at::arange(clip.frames(), at::kLong) * 2;
  return frame_tokens(states, at::zeros_like(rows), rows);
}

}  // namespace latentsync::train
