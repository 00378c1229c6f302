#include "tests/support/networks.h"

#include "core/model/state_dict.h"
#include "core/nn/prepare.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"

#include <fstream>

#include <nlohmann/json.hpp>

namespace latentsync::test {
namespace {

nn::UNet3DConfig unet_config(const std::filesystem::path& path) {
  std::ifstream stream(path);
  const auto json = nlohmann::json::parse(stream);
  nn::UNet3DConfig config;
  config.block_out_channels = json.at("block_out_channels").get<std::vector<int64_t>>();
  config.layers_per_block = json.at("layers_per_block");
  config.attention_heads = json.at("attention_head_dim");
  config.cross_attention_dim = json.at("cross_attention_dim");
  config.norm_groups = json.at("norm_num_groups");
  config.motion_heads = json.at("motion_module_kwargs").at("num_attention_heads");
  return config;
}

}  // namespace

std::shared_ptr<nn::UNet3D> golden_unet(bool prepared) {
  auto unet = std::make_shared<nn::UNet3D>(unet_config(golden_dir() / "unet/config.json"));
  model::load_state(*unet, golden_weights("unet", "unet_tiny"), "unet_tiny", test_device(),
                    test_precision());
  if (prepared) nn::prepare_for_inference(*unet);
  return unet;
}

at::Tensor on_device(const at::Tensor& tensor) {
  return tensor.to(test_device(), test_precision());
}

}  // namespace latentsync::test
