#pragma once

#include "core/audio/whole_audio.h"
#include "core/engine.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::lipsync {

/// The audio of a session, of either context (core/engine.h). For several threads.
class SessionAudio {
 public:
  /// FILL: the model's own. Errors: kInvalidArgument for a look-ahead that is too short for
  /// AudioContext::kSliding.
  SessionAudio(std::shared_ptr<audio::WhisperEncoder> encoder, AudioContext context,
               int64_t lookahead_ns, audio::BlockFill fill);

  /// As Session::needed_audio().
  AudioRange needed(std::span<const int64_t> times_ns) const;
  /// kWhole only. Errors: kInvalidArgument.
  void append(std::span<const float> samples);
  void finish();

  /// Features [N, tokens, features] at these times; SAMPLES from START on are kSliding's. With
  /// FIELDS, behind them those of the second fields of the frames. AT_REST, one for each time or
  /// empty: true has the model's own features of silence. Errors: those of the encoder.
  at::Tensor features(std::span<const int64_t> times_ns, std::span<const float> samples,
                      int64_t start, bool fields, const std::vector<bool>& at_rest);

 private:
  at::Tensor heard(std::span<const int64_t> times_ns, std::span<const float> samples, int64_t start,
                   bool fields);
  const at::Tensor& silence();
  audio::WholeAudio& whole();

  std::shared_ptr<audio::WhisperEncoder> encoder_;
  int64_t lookahead_ns_;
  audio::BlockFill fill_;
  std::mutex mutex_;
  std::variant<audio::SlidingAudio, audio::WholeAudio> audio_;
  at::Tensor silence_;  ///< [1, tokens, features]; made when it is first needed
};

}  // namespace latentsync::lipsync
