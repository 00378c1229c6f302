#include "examples/train/audio_store.h"

#include "core/audio/feature_grid.h"
#include "examples/train/audio_training.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

namespace latentsync::train {

AudioStore::AudioStore(const Dataset& dataset, audio::WhisperEncoder& encoder, int64_t alone,
                       int64_t packed, Random& random)
    : layers_(encoder.config().n_audio_layer + 1) {
  const at::NoGradGuard no_grad;
  const AudioWindows windows(encoder.config().n_audio_ctx, encoder.config().n_mels);
  auto clips = dataset.of(Part::kTrain);
  std::shuffle(clips.begin(), clips.end(), random);
  for (const auto* clip : clips) {
    if (alone-- <= 0) break;
    add(windows.alone(*clip, random() % 2 == 0 ? Fill::kZeros : Fill::kSilence), encoder);
  }
  for (int64_t round = 0; round < packed; ++round) {
    std::shuffle(clips.begin(), clips.end(), random);
    for (size_t next = 0; next < clips.size();) {
      const auto window = windows.packed(clips, next, random, Pace::kKept);
      if (window.placed.empty()) {
        ++next;  // a clip longer than a window
        continue;
      }
      add(window, encoder);
    }
  }
  states_ = at::cat(pieces_);
  pieces_.clear();
}

void AudioStore::add(const AudioWindow& window, audio::WhisperEncoder& encoder) {
  const auto states = encoder.forward(window.mel.unsqueeze(0).to(encoder.device(), encoder.dtype()))
                          .squeeze(0)
                          .transpose(0, 1)
                          .flatten(1);  // [rows, layers * width]
  for (const auto& placed : window.placed) {
    const auto count = 2 * placed.mouth.size(0) + audio::kRowsPerFrame;
    const auto rows = (at::arange(count, at::kLong) + (placed.first_row - audio::kRowsBeforeFrame))
                          .clamp(0, states.size(0) - 1);
    pieces_.push_back(states.index_select(0, rows.to(states.device())));
    first_row_[placed.clip].push_back(rows_);
    rows_ += count;
  }
}

at::Tensor AudioStore::take(const std::vector<const Clip*>& clip, const std::vector<int64_t>& frame,
                            int64_t run, Random& random) const {
  std::vector<int64_t> first;
  uint64_t choice = 0;
  for (size_t i = 0; i < clip.size(); ++i) {
    if (i % static_cast<size_t>(run) == 0) choice = random();
    const auto& versions = first_row_.at(clip[i]);
    first.push_back(versions[choice % versions.size()] + 2 * frame[i]);
  }
  const auto places = at::tensor(first, at::kLong).unsqueeze(1) +
                      at::arange(audio::kRowsPerFrame, at::kLong).unsqueeze(0);
  return states_.index_select(0, places.flatten().to(states_.device()))
      .view({static_cast<int64_t>(clip.size()), audio::kRowsPerFrame * layers_, -1});
}

at::Tensor tokens_alone(const Clip& clip, audio::WhisperEncoder& encoder) {
  const at::NoGradGuard no_grad;
  const AudioWindows windows(encoder.config().n_audio_ctx, encoder.config().n_mels);
  const auto window = windows.alone(clip, Fill::kSilence);
  const auto states =
      encoder.forward(window.mel.unsqueeze(0).to(encoder.device(), encoder.dtype()));
  const auto rows = at::arange(clip.frames(), at::kLong) * 2;
  return frame_tokens(states, at::zeros_like(rows), rows);
}

}  // namespace latentsync::train
