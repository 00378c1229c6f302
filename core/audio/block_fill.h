#pragma once

/// How a block of the audio encoder is filled behind the end of the audio.
namespace latentsync::audio {

enum class BlockFill {
  kZeros,    ///< zeros of the normalised log-mel, as the reference pads; they sound like a hum
  kSilence,  ///< the spectrogram of silence
};

}  // namespace latentsync::audio
