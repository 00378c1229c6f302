#include "tests/support/networks.h"

#include "core/model/config.h"
#include "core/model/state_dict.h"
#include "core/nn/prepare.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"

namespace latentsync::test {
std::shared_ptr<nn::UNet3D> golden_unet(bool prepared) {
  const auto weights = golden_weights("unet", "unet_tiny");
  const auto config = model::ConfigFile::read(golden_dir() / "unet/config.json");
  auto unet = std::make_shared<nn::UNet3D>(model::unet_config(weights, "unet_tiny", config));
  model::load_state(*unet, weights, "unet_tiny", test_device(), test_precision());
  if (prepared) nn::prepare_for_inference(*unet);
  return unet;
}

at::Tensor on_device(const at::Tensor& tensor) {
  return tensor.to(test_device(), test_precision());
}

}  // namespace latentsync::test
