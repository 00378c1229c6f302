#include "core/lipsync/networks.h"

#include "core/device/fence.h"
#include "core/face/face_networks.h"
#include "core/lipsync/device.h"
#include "core/lipsync/folders.h"
#include "core/lipsync/renderer.h"
#include "core/model/file_identity.h"
#include "core/model/naming.h"
#include "core/model/notes.h"
#include "core/model/state_dict.h"
#include "core/model/tensor_listing.h"
#include "core/nn/autoencoder_kl.h"
#include "core/nn/interruption.h"
#include "core/nn/prepare.h"
#include "core/nn/taesd.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>

namespace latentsync::lipsync {
namespace {

constexpr int64_t kMostWindowFrames = 24;

constexpr int64_t kDownscale = 8;  // of the latent mask (kernels/reference/face_mask.h)

model::VaeType choose_vae(const model::ModelFolder& folder, const model::ModelConfig& config,
                          VaeChoice choice) {
  const bool asked = choice != VaeChoice::kAuto;
  const auto wanted = choice == VaeChoice::kFull   ? model::VaeType::kFull
                      : choice == VaeChoice::kTiny ? model::VaeType::kTiny
                                                   : config.vae;
  if (!wanted) return folder.vae ? model::VaeType::kFull : model::VaeType::kTiny;
  const bool full = *wanted == model::VaeType::kFull;
  if (full ? folder.vae.has_value() : folder.taesd.has_value()) return *wanted;
  const std::string name = full ? "full" : "tiny";
  throw Error(ErrorCode::kNotFound,
              "The model folder \"" + folder.path.string() + "\" lacks " +
                  (full ? "vae/*.safetensors"
                        : "vae/taesd_encoder.safetensors and vae/taesd_decoder.safetensors") +
                  ", which " + (asked ? "vae=" + name : "vae.type of its config.json") +
                  " needs: put it there, or set vae=" +
                  (asked  ? "auto"
                   : full ? "tiny"
                          : "full") +
                  ".");
}

// Counts what is loaded of all the files, and looks at the stop token on the way.
class Loading {
 public:
  Loading(std::stop_token stop, const std::function<void(double, const char*)>& progress)
      : stop_(std::move(stop)), progress_(progress) {}

  void expect(const model::TensorMap& tensors) {
    for (const auto& [name, tensor] : tensors) expected_ += static_cast<int64_t>(tensor.nbytes());
  }

  void begin(const char* what) {
    what_ = what;
    report();
  }

  template <typename Network>
  std::shared_ptr<Network> fill(std::shared_ptr<Network> network, model::TensorMap tensors,
                                const std::filesystem::path& path, const ModelSource& source) {
    fill(*network, std::move(tensors), path, source);
    return network;
  }

  void fill(nn::Module& network, model::TensorMap tensors, const std::filesystem::path& path,
            const ModelSource& source) {
    model::load_state(network, std::move(tensors), path.string(), source.device, source.dtype,
                      [this](const at::Tensor& loaded) {
                        loaded_ += static_cast<int64_t>(loaded.nbytes());
                        report();
                      });
    for (const auto& parameter : network.parameters()) {
      weights_ += static_cast<int64_t>(parameter.nbytes());
    }
    const nn::Interruptible interruptible(stop_);
    nn::prepare_for_inference(network);
  }

  void finish() {
    loaded_ = expected_;
    report();
  }

  int64_t weight_bytes() const { return weights_; }

 private:
  void report() const {
    check_stop(stop_);
    const auto whole = static_cast<double>(std::max<int64_t>(1, expected_));
    if (progress_) progress_(std::min(1.0, static_cast<double>(loaded_) / whole), what_);
  }

  std::stop_token stop_;
  const std::function<void(double, const char*)>& progress_;
  const char* what_ = "";
  int64_t expected_ = 0;
  int64_t loaded_ = 0;
  int64_t weights_ = 0;
};

// The files' tensors, mapped but not read.
struct Files {
  explicit Files(const ModelSource& source) {
    auto unet_file = model::open_tensor_file(source.folder.unet);
    unet = model::unet_state(unet_file, &left_out[source.folder.unet]);
    unet_integers = std::move(unet_file.integers);
    auto whisper_file = model::open_tensor_file(source.folder.whisper);
    whisper = model::whisper_encoder_state(whisper_file, &left_out[source.folder.whisper]);
    whisper_integers = std::move(whisper_file.integers);
    if (source.vae == model::VaeType::kFull) {
      vae = model::vae_state(model::open_tensor_file(*source.folder.vae),
                             &left_out[*source.folder.vae]);
    } else {
      taesd_encoder = model::open_tensor_file(source.folder.taesd->encoder).tensors;
      taesd_decoder = model::open_tensor_file(source.folder.taesd->decoder).tensors;
    }
  }

  model::TensorMap unet, whisper, vae, taesd_encoder, taesd_decoder;
  std::map<std::string, int64_t> unet_integers, whisper_integers;
  std::map<std::filesystem::path, std::vector<std::string>> left_out;  // names, by file
};

std::shared_ptr<nn::Vae> load_taesd(Files& files, const ModelSource& source, Loading& loading) {
  auto taesd = std::make_shared<nn::Taesd>();
  loading.fill(taesd->encoder(), std::move(files.taesd_encoder), source.folder.taesd->encoder,
               source);
  loading.fill(taesd->decoder(), std::move(files.taesd_decoder), source.folder.taesd->decoder,
               source);
  return taesd;
}

void check_downscale(const nn::Vae& vae, const ModelSource& source) {
  if (vae.downscale_factor() == kDownscale && vae.image_channels() == 3) return;
  throw Error(ErrorCode::kUnsupported,
              "The autoencoder \"" + source.folder.vae.value_or("").string() + "\" shrinks by " +
                  std::to_string(vae.downscale_factor()) +
                  "; latentsync needs one that shrinks RGB pictures by 8, as Stable Diffusion's.");
}

// What LatentSync's trainer writes beside the weights.
std::string version_of(const ModelSource& source, const std::map<std::string, int64_t>& integers) {
  if (auto version = model::version_of(source.folder.config)) return *version;
  const auto step = integers.find("global_step");
  if (step == integers.end() || step->second <= 0) return {};
  return "step " + std::to_string(step->second);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + model::name_text(name);
  return text;
}

// The published checkpoints of 1.5 and 1.6 have the same tensors, and no file beside them says
// which they are; at the other one's resolution they give a blurred mouth and no error.
std::string untold_resolution(const ModelInfo& info) {
  return "The model's folder has no config.json: it is run with resolution=" +
         std::to_string(info.resolution) +
         ", as LatentSync 1.6 was trained. LatentSync 1.5 was trained with 256, and its file" +
         (info.version.empty() ? "" : " (here: " + info.version + ")") +
         " does not tell. For 1.5 set resolution=256, or put a config.json with "
         "{\"resolution\": 256} beside the weights.";
}

std::string told_extras(const std::filesystem::path& file, std::vector<std::string> names) {
  constexpr size_t kMostNames = 3;
  const auto count = names.size();
  if (count > kMostNames) names.resize(kMostNames);
  return "The model file \"" + file.string() + "\" holds " + std::to_string(count) +
         (count == 1 ? " tensor that is no weight of the network and is"
                     : " tensors that are no weights of the network and are") +
         " ignored: " + listed(names) + (count > kMostNames ? ", ..." : "") + ".";
}

// What people may believe to be in force and is not.
std::vector<std::string> warnings_of(const ModelSource& source, const ModelInfo& info,
                                     const Files& files) {
  std::vector<std::string> warnings;
  if (source.folder.config.contents() == nullptr) warnings.push_back(untold_resolution(info));
  for (const auto& [file, names] : files.left_out) {
    if (!names.empty()) warnings.push_back(told_extras(file, names));
  }
  const std::string in_force = "in force are resolution=" + std::to_string(info.resolution) +
                               " and inference-steps=" + std::to_string(info.inference_steps) +
                               " unless the properties say otherwise (docs/models.md)";
  std::vector<std::string> names;
  for (const auto& file : model::training_configs(source.folder.path)) {
    names.push_back(file.filename().string());
  }
  if (!names.empty()) {
    warnings.push_back(
        "Training configurations are not read: " + listed(names) +
        " beside the weights; what the model is run with belongs into config.json: " + in_force +
        ".");
  }
  if (const auto unread = model::unread_keys(source.folder.config); !unread.empty()) {
    warnings.push_back("config.json says nothing that is known with " + listed(unread) +
                       ", which is ignored; " + in_force + ".");
  }
  if (source.device.is_cpu() && source.dtype == c10::kHalf) {
    warnings.push_back(
        "precision=float16 is several times slower than float32 on a CPU, which has no units for "
        "it: set precision=auto.");
  }
  return warnings;
}

ModelInfo describe(const ModelSource& source, const nn::UNet3DConfig& unet, const Files& files) {
  ModelInfo info;
  info.name = source.config.name.value_or(source.folder.path.filename().string());
  info.device = source.device.str();
  info.precision = precision_name(source.dtype);
  info.vae = source.vae == model::VaeType::kFull ? "full" : "tiny";
  info.resolution = source.config.resolution.value_or(model::kPublishedResolution);
  info.inference_steps = source.config.inference_steps.value_or(model::kPublishedInferenceSteps);
  info.feature_cache = source.config.feature_cache.value_or(model::kPublishedFeatureCache);
  info.most_window_frames = std::min(kMostWindowFrames, unet.motion_max_frames);
  info.version = version_of(source, files.unet_integers);
  info.warnings = warnings_of(source, info, files);
  return info;
}

}  // namespace

std::vector<std::filesystem::path> ModelSource::files() const {
  auto files = face::face_network_files(face_folder);
  if (folder.config.contents() != nullptr) files.emplace_back(folder.config.origin());
  files.push_back(folder.unet);
  files.push_back(folder.whisper);
  if (vae == model::VaeType::kFull) {
    if (folder.vae) files.push_back(*folder.vae);
  } else if (folder.taesd) {
    files.push_back(folder.taesd->encoder);
    files.push_back(folder.taesd->decoder);
  }
  return files;
}

FileStates ModelSource::file_states() const {
  FileStates states;
  for (auto& file : files()) {
    const auto identity = model::file_identity(file);
    states.emplace_back(std::move(file), identity);
  }
  return states;
}

std::string ModelSource::key() const {
  std::string key = device.str() + '\n' + precision_name(dtype) +
                    (vae == model::VaeType::kFull ? "\nfull" : "\ntiny");
  for (const auto& [file, identity] : file_states()) {
    key += '\n' + file.string() + '\n' + (identity ? identity->text() : "missing");
  }
  return key;
}

int64_t ModelSource::file_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [file, identity] : file_states()) bytes += identity ? identity->size : 0;
  return static_cast<int64_t>(bytes);
}

ModelSource find_source(const ModelSettings& settings) {
  ModelSource source;
  source.device = find_device(settings.device);
  // The message of a missing folder names it as it was given.
  source.folder = model::find_model(settings.folder);
  source.folder = model::find_model(std::filesystem::canonical(settings.folder));
  source.dtype = find_precision(settings.precision, source.device, source.folder.unet);
  source.config = model::model_config(source.folder.config);
  source.vae = choose_vae(source.folder, source.config, settings.vae);
  source.face_folder = find_face_folder(settings.face_folder);
  return source;
}

ModelHeaders read_headers(const ModelSource& source) {
  const Files files(source);
  const auto& config = source.folder.config;
  ModelHeaders headers;
  headers.configs.unet = model::unet_config(files.unet, source.folder.unet.string(), config);
  headers.configs.whisper = model::whisper_config(files.whisper, source.folder.whisper.string(),
                                                  files.whisper_integers, config);
  if (source.vae == model::VaeType::kFull) {
    headers.configs.vae = model::vae_config(files.vae, source.folder.vae->string(), config);
  }
  headers.info = describe(source, headers.configs.unet, files);
  return headers;
}

Networks load_networks(const ModelSource& source, std::stop_token stop,
                       const std::function<void(double, const char*)>& progress) {
  const at::NoGradGuard no_grad;
  check_stop(stop);
  if (source.device.is_cuda()) count_memory_shortages();
  const auto states = source.file_states();
  Files files(source);
  const auto& config = source.folder.config;
  const auto unet_config = model::unet_config(files.unet, source.folder.unet.string(), config);
  const auto whisper_config = model::whisper_config(files.whisper, source.folder.whisper.string(),
                                                    files.whisper_integers, config);

  Loading loading(std::move(stop), progress);
  for (const auto* part :
       {&files.unet, &files.whisper, &files.vae, &files.taesd_encoder, &files.taesd_decoder}) {
    loading.expect(*part);
  }

  Networks networks{.scheduler = source.config.scheduler,
                    .audio_block_fill = source.config.audio_block_fill,
                    .device = source.device,
                    .dtype = source.dtype,
                    .copies_frames = !source.device.is_cpu(),
                    .info = describe(source, unet_config, files)};
  loading.begin("face networks");
  // A device is not waited for in each frame; a processor does nothing in vain.
  const int64_t frames_ahead = source.device.is_cpu() ? 1 : kMostWindowFrames;
  networks.faces = std::make_shared<face::FaceFollower>(
      face::load_face_tracker(source.face_folder, source.device),
      static_cast<size_t>(frames_ahead));
  loading.begin("autoencoder");
  std::shared_ptr<nn::AutoencoderKL> full;
  if (source.vae == model::VaeType::kFull) {
    full = std::make_shared<nn::AutoencoderKL>(
        model::vae_config(files.vae, source.folder.vae->string(), config));
    networks.vae = full;
  } else {
    networks.vae = load_taesd(files, source, loading);
  }
  // Before the large files are read.
  check_downscale(*networks.vae, source);
  model::check_networks_fit(unet_config, networks.vae->latent_channels(), whisper_config,
                            source.folder.unet.string());
  if (full) loading.fill(*full, std::move(files.vae), *source.folder.vae, source);

  loading.begin("audio encoder");
  networks.whisper = loading.fill(std::make_shared<audio::WhisperEncoder>(whisper_config),
                                  std::move(files.whisper), source.folder.whisper, source);
  loading.begin("UNet");
  networks.unet = loading.fill(std::make_shared<nn::UNet3D>(unet_config), std::move(files.unet),
                               source.folder.unet, source);
  using Others = std::vector<std::shared_ptr<nn::Module>>;
  networks.residency = std::make_shared<Residency>(
      networks.unet, Others{networks.vae, networks.whisper}, source.device);
  // What this thread has launched is in no order with the stream that tasks work on.
  device::synchronize(source.device);
  loading.finish();
  networks.info.weight_bytes = loading.weight_bytes();
  if (source.file_states() == states) networks.files = states;
  return networks;
}

}  // namespace latentsync::lipsync
