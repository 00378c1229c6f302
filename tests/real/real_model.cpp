#include "tests/real/real_model.h"

#include "tests/support/golden.h"
#include "tests/support/pt_writer.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/weights.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr char kFolderVariable[] = "LATENTSYNC_REAL_MODEL_DIR";

struct Network {
  fs::path path;  // within the model folder
  std::string manifest;
  std::string state_key;  // of a .pt
};

const std::vector<Network>& networks() {
  static const std::vector<Network> all = {
      {"whisper/tiny.pt", "whisper_manifest.json", "model_state_dict"},
      {"vae/sd-vae-ft-mse.safetensors", "vae_manifest.json", ""},
      {"latentsync_unet.pt", "unet_manifest.json", "state_dict"}};
  return all;
}

uint64_t seed() {
  std::ifstream stream(golden_dir() / "real/info.json");
  return stream ? nlohmann::json::parse(stream).at("seed").get<uint64_t>() : 11;
}

std::vector<TensorSpec> specs_of(const Manifest& manifest) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, shape] : manifest.params) specs.push_back({name, shape});
  return specs;
}

uintmax_t byte_size(const Manifest& manifest) {
  uintmax_t bytes = 0;
  for (const auto& entry : manifest.params) {
    uintmax_t elements = 1;
    for (const int64_t size : entry.shape) elements *= static_cast<uintmax_t>(size);
    bytes += elements * sizeof(float);
  }
  return bytes;
}

// Under another name until it is whole: a run that is stopped leaves nothing that the next one
// takes for a model.
void write(const fs::path& path, const Network& network, const Manifest& manifest) {
  const uint64_t number = seed();
  const TensorSource source = [=](const TensorSpec& spec) {
    return generate_weight(spec.name, spec.shape, number);
  };
  fs::create_directories(path.parent_path());
  fs::path unfinished = path;
  unfinished += ".unfinished";
  if (network.state_key.empty()) {
    write_safetensors(unfinished, specs_of(manifest), source);
  } else {
    TorchFileLayout layout{.state_key = network.state_key, .folder = path.stem().string()};
    for (const auto& [name, value] : manifest.dims) layout.integers["dims." + name] = value;
    if (manifest.dims.empty()) layout.integers["global_step"] = 0;
    write_torch_file(unfinished, specs_of(manifest), source, layout);
  }
  fs::rename(unfinished, path);
}

void check_room(const fs::path& folder, uintmax_t needed) {
  constexpr uintmax_t kSlack = 64 << 20;
  const uintmax_t available = fs::space(folder).available;
  if (available >= needed + kSlack) return;
  throw std::runtime_error("No room for the real-size model: " + folder.string() + " has " +
                           std::to_string(available >> 20) + " MiB free, the model needs " +
                           std::to_string((needed + kSlack) >> 20) + " MiB. Set TMPDIR or " +
                           kFolderVariable + " to a folder on a larger disk.");
}

}  // namespace

RealModel::RealModel() {
  fs::path path;
  if (const char* given = std::getenv(kFolderVariable); given != nullptr && *given != '\0') {
    path = given;
    fs::create_directories(path);
  } else {
    path = temporary_.emplace().path();
  }
  std::vector<Manifest> manifests;
  uintmax_t needed = 0;
  for (const Network& network : networks()) {
    manifests.push_back(read_manifest(golden_dir() / "real" / network.manifest));
    if (!fs::exists(path / network.path)) needed += byte_size(manifests.back());
  }
  if (needed > 0) check_room(path, needed);
  for (size_t i = 0; i < manifests.size(); ++i) {
    const Network& network = networks()[i];
    if (!fs::exists(path / network.path)) write(path / network.path, network, manifests[i]);
  }
  folder_ = model::find_model(path);
}

bool has_real_goldens() { return fs::exists(golden_dir() / "real/unet_real.safetensors"); }

}  // namespace latentsync::test
