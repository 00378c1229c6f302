#include "examples/train/dataset.h"

#include "core/error.h"
#include "core/model/mapped_file.h"
#include "core/model/tensor_file.h"

#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

namespace latentsync::train {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw Error(ErrorCode::kDamagedFile, "\"" + path.string() +
                                           "\" is not as prepare.py leaves it: " + what +
                                           ". Run `prepare.py unpack` anew.");
}

Part part_from(const std::string& name, const fs::path& path) {
  static const std::map<std::string, Part> parts = {{"train", Part::kTrain},
                                                    {"validation", Part::kValidation},
                                                    {"driver", Part::kDriver},
                                                    {"unseen", Part::kUnseen}};
  const auto found = parts.find(name);
  if (found == parts.end()) refuse(path, "a clip's part is \"" + name + "\"");
  return found->second;
}

Clip read_clip(const fs::path& path, int64_t side) {
  const auto file = model::open_tensor_file(path);
  const auto take = [&](const char* name, at::ScalarType type) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end() || found->second.scalar_type() != type) {
      refuse(path, std::string("it has no ") + name);
    }
    return found->second;
  };
  Clip clip;
  clip.crops = take("crops", at::kByte);
  clip.lips = take("lips", at::kFloat);
  clip.mouth = take("mouth", at::kFloat);
  clip.opening = take("opening", at::kFloat);
  clip.sound = take("sound", at::kFloat);
  if (file.tensors.contains("whole")) clip.whole = take("whole", at::kByte);
  const bool fits = clip.crops.dim() == 4 && clip.crops.size(1) == side &&
                    clip.crops.size(2) == side && clip.crops.size(3) == 3 && clip.lips.dim() == 3 &&
                    clip.lips.size(0) == clip.frames() && clip.mouth.dim() == 2 &&
                    clip.mouth.size(0) == clip.frames() &&
                    clip.mouth.size(1) == Clip::kMouthValues && clip.sound.dim() == 1 &&
                    clip.opening.sizes() == at::IntArrayRef({clip.frames()});
  if (!fits) refuse(path, "its shapes do not fit");
  return clip;
}

}  // namespace

std::vector<const Clip*> Dataset::of(Part part) const {
  std::vector<const Clip*> found;
  for (const auto& clip : clips) {
    if (clip.part == part) found.push_back(&clip);
  }
  return found;
}

Clip rotated(const Clip& clip, int64_t frame) {
  Clip turned = clip;
  turned.sound = clip.sound.roll(-frame * clip.sound.size(0) / clip.frames());
  turned.mouth = clip.mouth.roll(-frame, 0);
  turned.opening = clip.opening.roll(-frame);
  return turned;
}

Dataset read_dataset(const fs::path& folder) {
  const auto path = folder / "manifest.json";
  const auto file = model::MappedFile::open(path);
  const auto bytes = file->bytes();
  Dataset dataset;
  try {
    const auto manifest = nlohmann::json::parse(bytes.begin(), bytes.end());
    dataset.edge = manifest.at("edge");
    dataset.margin = manifest.at("margin");
    for (const auto& entry : manifest.at("clips")) {
      const std::string name = entry.at("name");
      auto clip = read_clip(folder / (name + ".safetensors"), dataset.edge + 2 * dataset.margin);
      clip.name = name;
      clip.speaker = entry.at("speaker");
      clip.part = part_from(entry.at("part"), path);
      dataset.clips.push_back(std::move(clip));
    }
  } catch (const nlohmann::json::exception& error) {
    refuse(path, error.what());
  }
  return dataset;
}

double uniform(Random& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}

ClipSampler::ClipSampler(const std::vector<const Clip*>& clips, double exponent) {
  std::map<std::string, std::vector<const Clip*>> by_speaker;
  for (const auto* clip : clips) by_speaker[clip->speaker].push_back(clip);
  if (by_speaker.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "The data set has no clip to train on; prepare.py's manifest.json says which part "
                "each clip belongs to.");
  }
  std::vector<double> shares;
  for (auto& [speaker, own] : by_speaker) {
    shares.push_back(std::pow(static_cast<double>(own.size()), exponent));
    speakers_.push_back(std::move(own));
  }
  shares_ = std::discrete_distribution<size_t>(shares.begin(), shares.end());
}

const Clip& ClipSampler::draw(Random& random) const {
  const auto& own = speakers_[shares_(random)];
  return *own[random() % own.size()];
}

}  // namespace latentsync::train
