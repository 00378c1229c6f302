#include "examples/train/options.h"

#include "core/error.h"

#include <cmath>
#include <functional>
#include <map>
#include <sstream>
#include <vector>

namespace latentsync::train {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, what + "; --help lists the options");
}

double number(const std::string& name, const std::string& text, double low, double high) {
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || text.empty() || !(value >= low) || value > high) {
    std::ostringstream range;
    range << low << " to " << high;
    refuse(name + " takes a number from " + range.str() + ", not \"" + text + "\"");
  }
  return value;
}

int64_t whole_number(const std::string& name, const std::string& text, double low, double high) {
  const double value = number(name, text, low, high);
  if (value != std::floor(value)) refuse(name + " takes a whole number, not \"" + text + "\"");
  return static_cast<int64_t>(value);
}

nn::UNet3DConfig small_unet(std::vector<int64_t> widths, int64_t layers, int64_t heads,
                            int64_t audio) {
  nn::UNet3DConfig config;
  config.block_out_channels = std::move(widths);
  config.layers_per_block = layers;
  config.attention_heads = heads;
  config.cross_attention_dim = audio;
  // Most of the latents are in the outermost level, and attention costs their square.
  config.cross_attention_blocks = {false, true, true, true};
  config.motion_down_blocks = {false, false, false, false};
  config.motion_up_blocks = {true, true, true, false};
  config.motion_heads = heads;
  return config;
}

Preset cpu_small() {
  Preset preset;
  preset.shape.unet = small_unet({64, 64, 96, 96}, 1, 2, 128);
  preset.shape.whisper = {.n_audio_state = 128, .n_audio_head = 4, .n_audio_layer = 3};
  preset.shape.edge = 256;
  return preset;
}

// The same shape from more data. An H200 is idle for three quarters of a step of so few frames, and
// hardly takes longer for one of 256 (docs/performance.md).
Preset h200() {
  Preset preset = cpu_small();
  preset.audio.windows = 16;
  preset.audio.average = 0.998;
  preset.unet.frames = 64;
  preset.unet.windows = 6;
  preset.pool_slots = 4000;
  preset.refresh_share = 0.15;
  preset.sound_versions = 8;
  preset.audio_rate = 2e-3;
  preset.counts.pieces = 0.15;
  preset.counts.fresh_frames = 3;
  return preset;
}

}  // namespace

UNetTraining::Step Shares::step_at(double progress) const {
  return {.windows = progress >= windows_from,
          .criticised = progress >= critic_from,
          .guided = progress >= guided_from && progress < guided_until,
          .quiet = progress >= quiet_from,
          .settled = progress >= settle_from};
}

std::string usage() {
  return R"(latentsync-train --data FOLDER [options]: trains a small model (docs/training.md)

  --data FOLDER            what `prepare.py unpack` left
  --out FOLDER             checkpoints, curves, previews and the model (train-out); a second run goes on from there
  --preset NAME            cpu-small or h200
  --init FOLDER            go on from this model: its shape, its weights
  --encoder FOLDER         take this model's audio encoder as it is; its part of the time goes to the UNet
  --name NAME              what config.json calls the model (latentsync-demo; with --init, what it was called)
  --taesd FOLDER           of TAESD's two files (models/taesd)
  --device NAME            cpu, cuda, cuda:N
  --audio-type NAME, --unet-type NAME   float32 or bfloat16 (cpu: float32, cuda: bfloat16)
  --minutes N              time for everything (30)
  --steps N                instead: steps of the UNet, and all else in proportion; then the same command gives the same
                           weights on a CPU of the same kind with 1 or 2 threads (--threads), however busy it is
  --session-minutes N      leave in time for a command that may run N minutes, with status 75 when there is more to do
  --audio-share N          part of the time for the audio encoder (0.15)
  --windows-from N         part of the UNet's time after which windows follow single frames (0.85)
  --critic-from N          the same, after which a critic judges what is made (0.3)
  --guided-from N, --guided-until N   the same, between which what guidance makes is judged (0.65, 1; from 1, or
                           where the model's config.json has guidance 1: never)
  --lips-guidance N        in that time: guidance that is judged at the lips, if not by the critic; less of it: the
                           lips of the finished model go further (0.75)
  --quiet-from N           the same, after which some entries have silence and a closed mouth (0.85; 1: never)
  --settle-from N          the same, after which the UNet learns from itself alone, that what guidance adds is to stay at
                           the lips (1: never)
  --audio-rate N, --unet-rate N    largest learning rates
  --sync N, --temporal N, --detail N   weights of these terms of the loss (0.1, 0.1, 0.15)
  --critic N               what the critic's wishes count beside all the rest (0.3)
  --from-noise N           part of the entries that begin as sampling does (0.85)
  --slots N                encoded pieces of clips in memory (8 or more)
  --seed N, --threads N
)";
}

Options parse_options(int count, char** arguments) {
  const std::vector<std::string> given(arguments + 1, arguments + count);
  if (given.size() % 2 != 0) refuse("an option lacks its value");
  std::map<std::string, std::string> values;
  for (size_t i = 0; i < given.size(); i += 2) values[given[i]] = given[i + 1];

  Options options;
  options.preset = cpu_small();
  if (values.contains("--preset")) {
    if (values["--preset"] == "h200") {
      options.preset = h200();
    } else if (values["--preset"] != "cpu-small") {
      refuse("--preset takes cpu-small or h200, not \"" + values["--preset"] + "\"");
    }
  }
  const auto real = [&](double& target, double low, double high) {
    return [&target, low, high](const std::string& name, const std::string& text) {
      target = number(name, text, low, high);
    };
  };
  const auto type = [&](c10::ScalarType& target) {
    return [&target](const std::string& name, const std::string& text) {
      if (text != "float32" && text != "bfloat16") {
        refuse(name + " takes float32 or bfloat16, not \"" + text + "\"");
      }
      target = text == "float32" ? c10::kFloat : c10::kBFloat16;
    };
  };
  const auto path = [](std::filesystem::path& target) {
    return [&target](const std::string&, const std::string& text) { target = text; };
  };
  if (values.contains("--device") && values["--device"].starts_with("cuda")) {
    options.audio_type = options.unet_type = c10::kBFloat16;
  }
  auto& preset = options.preset;
  const std::map<std::string, std::function<void(const std::string&, const std::string&)>> known = {
      {"--data", path(options.data)},
      {"--out", path(options.out)},
      {"--taesd", path(options.taesd)},
      {"--init", [&](auto&, auto& text) { options.init = text; }},
      {"--encoder", [&](auto&, auto& text) { options.encoder = text; }},
      {"--name", [&](auto&, auto& text) { options.name = text; }},
      {"--preset", [](auto&, auto&) {}},
      {"--device",
       [&](auto& name, auto& text) {
         // Not auto: what the networks work in goes with the name.
         if (text != "cpu" && !text.starts_with("cuda")) {
           refuse(name + " takes cpu, cuda or cuda:N, not \"" + text + "\"");
         }
         options.device = text;
       }},
      {"--audio-type", type(options.audio_type)},
      {"--unet-type", type(options.unet_type)},
      {"--minutes", real(options.minutes, 0.01, 1e6)},
      {"--steps",
       [&](auto& name, auto& text) { options.steps = whole_number(name, text, 1, 1e9); }},
      {"--session-minutes", real(options.session_minutes, 0, 1e6)},
      {"--audio-share", real(options.shares.audio, 0, 0.8)},
      {"--windows-from", real(options.shares.windows_from, 0, 1)},
      {"--critic-from", real(options.shares.critic_from, 0, 1)},
      {"--guided-from", real(options.shares.guided_from, 0, 1)},
      {"--guided-until", real(options.shares.guided_until, 0, 1)},
      {"--quiet-from", real(options.shares.quiet_from, 0, 1)},
      {"--settle-from", real(options.shares.settle_from, 0, 1)},
      {"--audio-rate", real(preset.audio_rate, 0, 1)},
      {"--unet-rate", real(preset.unet_rate, 0, 1)},
      {"--sync", real(preset.unet.sync, 0, 100)},
      {"--temporal", real(preset.unet.temporal, 0, 100)},
      {"--detail", real(preset.unet.detail, 0, 100)},
      {"--critic", real(preset.unet.critic, 0, 100)},
      {"--lips-guidance", real(preset.unet.lips_guidance, 0.1, 3)},
      {"--from-noise", real(preset.unet.from_noise, 0, 1)},
      {"--slots",
       [&](auto& name, auto& text) { preset.pool_slots = whole_number(name, text, 8, 1e5); }},
      {"--seed", [&](auto& name, auto& text) { options.seed = whole_number(name, text, 0, 1e9); }},
      {"--threads",
       [&](auto& name, auto& text) {
         options.threads = static_cast<int>(whole_number(name, text, 1, 1024));
       }},
  };
  for (const auto& [name, text] : values) {
    const auto found = known.find(name);
    if (found == known.end()) refuse("there is no option " + name);
    found->second(name, text);
  }
  if (options.steps > 0 && values.contains("--minutes")) refuse("--steps or --minutes, not both");
  if (values.contains("--guided-until") &&
      options.shares.guided_until <= options.shares.guided_from) {
    refuse("--guided-until takes a part of the time after --guided-from, else nothing is guided");
  }
  if (options.data.empty()) refuse("--data is missing");
  if (options.encoder) {
    if (values.contains("--audio-share")) refuse("--encoder leaves nothing to --audio-share");
    options.shares.audio = 0;
  }
  options.shares.unet -= options.shares.audio - Shares{}.audio;
  return options;
}

}  // namespace latentsync::train
