#include "core/model/model_folder.h"

#include "core/error.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace latentsync::model {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// A link that leads nowhere is told as one: listings show it as if the file were there.
void refuse_dangling_link(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(path, error) || is_there(path)) return;
  throw Error(ErrorCode::kNotFound,
              "\"" + path.string() + "\" is a link to \"" + fs::read_symlink(path, error).string() +
                  "\", which is not there. Put the file there, or replace the "
                  "link by a copy of it.");
}

void check_folder(const fs::path& folder) {
  refuse_dangling_link(folder);
  if (!is_there(folder)) {
    const bool home = folder.string().starts_with("~");
    throw Error(ErrorCode::kNotFound,
                "There is no model folder \"" + folder.string() + "\". " +
                    (home ? "\"~\" is replaced by shells alone, and only at a word's beginning: "
                            "write the whole path, or $HOME."
                          : "Set model-path to a folder with a model."));
  }
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::kUnreadable,
                "\"" + folder.string() +
                    "\" is not a folder. Set model-path to the folder, not to one of its files.");
  }
}

[[noreturn]] void refuse_missing(const fs::path& folder, const std::string& files,
                                 const std::string& what) {
  throw Error(ErrorCode::kNotFound, "The model folder \"" + folder.string() + "\" lacks " + files +
                                        ": put " + what + " there.");
}

[[noreturn]] void refuse_ambiguous(const fs::path& a, const fs::path& b) {
  throw Error(ErrorCode::kInvalidArgument,
              "Both \"" + a.string() + "\" and \"" + b.string() + "\" exist: remove one of them.");
}

/// STEM.pt or STEM.safetensors below FOLDER.
fs::path find_either(const fs::path& folder, const std::string& stem, const std::string& what) {
  const fs::path torch_file = folder / (stem + ".pt");
  const fs::path safetensors = folder / (stem + ".safetensors");
  refuse_dangling_link(torch_file);
  refuse_dangling_link(safetensors);
  if (is_there(torch_file) && is_there(safetensors)) refuse_ambiguous(torch_file, safetensors);
  if (is_there(torch_file)) return torch_file;
  if (is_there(safetensors)) return safetensors;
  refuse_missing(folder, stem + ".pt (or .safetensors)", what);
}

/// The files of FOLDER that end in one of ENDINGS, by name.
std::vector<fs::path> files_ending_in(const fs::path& folder,
                                      std::initializer_list<std::string_view> endings) {
  std::vector<fs::path> files;
  refuse_dangling_link(folder);
  if (!is_there(folder)) return files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto ending = entry->path().extension().string();
    if (std::ranges::find(endings, ending) != endings.end()) files.push_back(entry->path());
  }
  if (error) {
    throw Error(ErrorCode::kUnreadable, "Cannot read the folder \"" + folder.string() +
                                            "\": " + error.message() + ". Check its permissions.");
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// A full autoencoder in a format that is not read there, told by its name.
void refuse_other_formats(const fs::path& folder) {
  const auto others = files_ending_in(folder, {".bin", ".pt", ".pth", ".ckpt"});
  if (others.empty()) return;
  throw Error(ErrorCode::kNotFound,
              "\"" + others.front().string() +
                  "\" is not read: the autoencoder must be a .safetensors file. Convert it once in "
                  "Python: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
                  "\"" +
                  others.front().stem().string() + ".safetensors\").");
}

void find_autoencoders(ModelFolder& model) {
  const fs::path folder = model.path / "vae";
  const TaesdFiles tiny{folder / "taesd_encoder.safetensors", folder / "taesd_decoder.safetensors"};
  for (const fs::path& file : files_ending_in(folder, {".safetensors"})) {
    refuse_dangling_link(file);
    if (file.filename().string().starts_with("taesd_")) continue;
    if (model.vae) refuse_ambiguous(*model.vae, file);
    model.vae = file;
  }
  if (is_there(tiny.encoder) && is_there(tiny.decoder)) {
    model.taesd = tiny;
  } else if (is_there(tiny.encoder) || is_there(tiny.decoder)) {
    refuse_missing(
        model.path,
        is_there(tiny.encoder) ? "vae/taesd_decoder.safetensors" : "vae/taesd_encoder.safetensors",
        "the other half of TAESD");
  }
  if (!model.vae && !model.taesd) {
    refuse_other_formats(folder);
    refuse_missing(model.path, "vae/*.safetensors",
                   "an autoencoder (sd-vae-ft-mse, or both halves of TAESD)");
  }
}

}  // namespace

EncoderFiles find_encoder(const fs::path& folder) {
  check_folder(folder);
  EncoderFiles encoder;
  encoder.whisper = find_either(folder, "whisper/tiny", "OpenAI's Whisper tiny");
  const fs::path config = folder / "config.json";
  refuse_dangling_link(config);
  if (is_there(config)) encoder.config = ConfigFile::read(config);
  return encoder;
}

ModelFolder find_model(const fs::path& folder) {
  check_folder(folder);
  ModelFolder model;
  model.path = folder;
  model.unet = find_either(folder, "latentsync_unet", "the UNet of LatentSync");
  auto encoder = find_encoder(folder);
  model.whisper = std::move(encoder.whisper);
  model.config = std::move(encoder.config);
  find_autoencoders(model);
  return model;
}

}  // namespace latentsync::model
