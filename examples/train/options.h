#pragma once

#include "examples/train/audio_training.h"
#include "examples/train/model_files.h"
#include "examples/train/unet_training.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <c10/core/ScalarType.h>

namespace latentsync::train {

/// What goes with each step of the UNet where steps are counted, not minutes.
struct StepCounts {
  double audio = 0.5;         ///< steps of the audio encoder, before
  double reader = 0.3;        ///< steps of the mouth reader, before
  double pieces = 0.03;       ///< pieces of clips that are encoded before, kFewestPieces at least
  double fresh_frames = 0.4;  ///< frames that are encoded anew
  /// A short run learns by heart what it sees, too, where that is little.
  static constexpr int64_t kFewestPieces = 60;
};

/// What a preset decides.
struct Preset {
  ModelShape shape;
  AudioTrainingOptions audio;
  UNetTrainingOptions unet;
  int64_t pool_slots = 600;    ///< in memory
  double refresh_share = 0.2;  ///< of the UNet's time, spent on encoding frames and sounds anew
  int64_t sound_versions = 3;  ///< of each clip in memory
  double audio_rate = 3e-3;    ///< largest learning rates
  double unet_rate = 1e-3;
  StepCounts counts;
};

/// Parts of the whole time. What is left goes to encoding, previews and writing.
struct Shares {
  double audio = 0.15;
  double pool = 0.1;  ///< at most, for the first filling
  double reader = 0.03;
  double unet = 0.69;
  double windows_from = 0.85;  ///< of the UNet's part: from here on windows, before single frames
  double critic_from = 0.3;    ///< likewise, the critic
  double guided_from = 0.65;   ///< likewise: what guidance makes is judged, not the prediction
  double guided_until = 1;     ///< likewise: the prediction is judged again
  double quiet_from = 0.85;    ///< likewise: some entries have silence
  double settle_from = 1;      ///< likewise: what guidance adds is taught to stay at the lips

  /// What a step is like after PROGRESS, 0 to 1, of the UNet's part; but for its learning rate.
  UNetTraining::Step step_at(double progress) const;
};

struct Options {
  std::filesystem::path data;  ///< of `prepare.py unpack`
  std::filesystem::path taesd = "models/taesd";
  std::filesystem::path out = "train-out";
  std::optional<std::filesystem::path> init;  ///< a model to go on from
  /// A model whose audio encoder is taken as it is; nothing of it is trained.
  std::optional<std::filesystem::path> encoder;
  std::optional<std::string> name;  ///< of the model, in config.json
  std::string device = "cpu";
  /// What the networks work in while they are trained; the weights that are trained are float32.
  c10::ScalarType audio_type = c10::kFloat, unet_type = c10::kFloat;
  double minutes = 30;
  /// Of the UNet, in place of minutes: steps of single frames; one of windows counts for as many as
  /// its frames are. 0: minutes count.
  int64_t steps = 0;
  double session_minutes = 0;  ///< stop in time for a command that may run this long; 0: no limit
  int64_t seed = 1;
  int threads = 0;
  Preset preset;
  Shares shares;
};

/// Errors: kInvalidArgument, saying what is wrong with which option.
Options parse_options(int count, char** arguments);

/// What --help prints.
std::string usage();

}  // namespace latentsync::train
