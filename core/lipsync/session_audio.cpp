#include "core/lipsync/session_audio.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

namespace latentsync::lipsync {
namespace {

constexpr int64_t kLoneFieldNs = 20'000'000;

using Audio = std::variant<audio::SlidingAudio, audio::WholeAudio>;

Audio make_audio(const std::shared_ptr<audio::WhisperEncoder>& encoder, AudioContext context,
                 int64_t lookahead_ns, audio::BlockFill fill) {
  if (context == AudioContext::kWhole) {
    return audio::WholeAudio(encoder, audio::WholeMode::kSeamless, fill);
  }
  return audio::SlidingAudio(encoder, lookahead_ns, fill);
}

// When the second fields of frames are shown: half-way to the next frame, but no more than MOST
// after the first ones.
std::vector<int64_t> later_times(std::span<const int64_t> times, int64_t most) {
  int64_t half = kLoneFieldNs;
  std::vector<int64_t> later;
  for (size_t i = 0; i < times.size(); ++i) {
    if (i + 1 < times.size()) half = (times[i + 1] - times[i]) / 2;
    later.push_back(times[i] + std::min(half, most));
  }
  return later;
}

}  // namespace

SessionAudio::SessionAudio(std::shared_ptr<audio::WhisperEncoder> encoder, AudioContext context,
                           int64_t lookahead_ns, audio::BlockFill fill)
    : encoder_(std::move(encoder)),
      lookahead_ns_(lookahead_ns),
      fill_(fill),
      audio_(make_audio(encoder_, context, lookahead_ns, fill)) {}

AudioRange SessionAudio::needed(std::span<const int64_t> times_ns) const {
  const auto* sliding = std::get_if<audio::SlidingAudio>(&audio_);
  if (sliding == nullptr || times_ns.empty()) return {};
  const auto range = sliding->needed(times_ns);
  return {range.begin, range.end};
}

audio::WholeAudio& SessionAudio::whole() {
  auto* whole = std::get_if<audio::WholeAudio>(&audio_);
  if (whole == nullptr) {
    throw Error(ErrorCode::kInvalidArgument,
                "Audio is appended to sessions of audio-context=whole only; this one takes it with "
                "each window.");
  }
  return *whole;
}

void SessionAudio::append(std::span<const float> samples) {
  const std::lock_guard lock(mutex_);
  whole().append(samples);
}

void SessionAudio::finish() {
  const std::lock_guard lock(mutex_);
  whole().finish();
}

at::Tensor SessionAudio::features(std::span<const int64_t> times_ns, std::span<const float> samples,
                                  int64_t start, bool fields, const std::vector<bool>& at_rest) {
  const std::lock_guard lock(mutex_);
  if (std::find(at_rest.begin(), at_rest.end(), true) == at_rest.end()) {
    return heard(times_ns, samples, start, fields);
  }
  if (std::find(at_rest.begin(), at_rest.end(), false) == at_rest.end()) {
    const auto count = static_cast<int64_t>(times_ns.size() * (fields ? 2 : 1));
    return silence().expand({count, -1, -1}).contiguous();
  }
  auto features = heard(times_ns, samples, start, fields);
  const auto rows = features.size(0);
  for (int64_t row = 0; row < rows; ++row) {
    const auto frame = static_cast<size_t>(row) % at_rest.size();
    if (at_rest[frame]) features[row].copy_(silence()[0]);
  }
  return features;
}

// In the middle of some seconds of zeros.
const at::Tensor& SessionAudio::silence() {
  if (!silence_.defined()) {
    constexpr std::array<int64_t, 1> kTime = {3'000'000'000};
    audio::SlidingAudio sliding(encoder_, audio::kShortestLookaheadNs, fill_);
    const auto range = sliding.needed(kTime);
    const std::vector<float> zeros(static_cast<size_t>(range.end - range.begin));
    silence_ = sliding.features(zeros, range.begin, kTime);
  }
  return silence_;
}

at::Tensor SessionAudio::heard(std::span<const int64_t> times_ns, std::span<const float> samples,
                               int64_t start, bool fields) {
  std::vector<int64_t> times(times_ns.begin(), times_ns.end());
  auto* whole = std::get_if<audio::WholeAudio>(&audio_);
  int64_t beyond = 0;  // the last frame
  if (fields) {
    // The window has the audio that its frames look ahead at: fields after them look less far.
    const auto most = whole != nullptr ? std::numeric_limits<int64_t>::max()
                                       : lookahead_ns_ - audio::kShortestLookaheadNs;
    const auto later = later_times(times_ns, most);
    beyond = later.back() - times.back();
    times.insert(times.end(), later.begin(), later.end());
  }
  if (whole != nullptr) return whole->features(times);
  if (beyond == 0) return std::get<audio::SlidingAudio>(audio_).features(samples, start, times);
  audio::SlidingAudio sliding(encoder_, lookahead_ns_ - beyond, fill_);
  return sliding.features(samples, start, times);
}

}  // namespace latentsync::lipsync
