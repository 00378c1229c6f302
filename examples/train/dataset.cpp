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
  clip.sound = take("sound", at::kFloat);
  if (file.tensors.contains("whole")) clip.whole = take("whole", at::kByte);
  const auto fits = [](const at::Tensor& tensor, at::IntArrayRef shape) {  // -1: any, but not 0
    bool same = tensor.dim() == static_cast<int64_t>(shape.size());
    for (size_t i = 0; same && i < shape.size(); ++i) {
      const auto size = tensor.size(static_cast<int64_t>(i));
      same = shape[i] < 0 ? size > 0 : size == shape[i];
    }
    return same;
  };
  if (!fits(clip.crops, {-1, side, side, 3}) || !fits(clip.lips, {clip.frames(), -1, 2}) ||
      !fits(clip.mouth, {clip.frames(), Clip::kMouthValues}) || !fits(clip.sound, {-1}) ||
      clip.sound.size(0) < Clip::kSamplesPerFrame ||
      (clip.whole.defined() && !fits(clip.whole, {clip.frames(), -1, -1, 3}))) {
    refuse(path, "its shapes do not fit");
  }
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
  shares_ = {shares.begin(), shares.end()};
}

const Clip& ClipSampler::draw(Random& random) const {
  const auto& own = speakers_[std::discrete_distribution<size_t>()(random, shares_)];
  return *own[random() % own.size()];
}

}  // namespace latentsync::train
