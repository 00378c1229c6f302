#pragma once

#include "core/device/weight_stream.h"
#include "core/memory_plan.h"
#include "core/nn/module.h"
#include "core/nn/unet3d.h"

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace latentsync::lipsync {

/// Where the weights of a model's networks lie: on its device, or in host memory until they are
/// used, as the rung asks for that a window is rendered with. Sessions of one model may have
/// different rungs; results are the same for all of them. To be used and destroyed by tasks of the
/// device's executor, right before the networks are.
class Residency {
 public:
  /// OTHERS: the networks of the stages that do not evaluate the UNet.
  Residency(std::shared_ptr<nn::UNet3D> unet, std::vector<std::shared_ptr<nn::Module>> others,
            c10::Device device);
  Residency(const Residency&) = delete;
  Residency& operator=(const Residency&) = delete;
  ~Residency();

  /// The UNet, or the others, can be evaluated from now on; with Rung::host_networks the networks
  /// that are not named wait in host memory, and with Rung::streamed_unet the UNet's stages come
  /// from there one by one. Errors: c10::Error where memory runs out; another call, with a lower
  /// rung for example, goes on from there.
  void use_unet(const Rung& rung);
  void use_others(const Rung& rung);

 private:
  std::vector<at::Tensor> unstreamed_weights() const;
  void set_streaming(bool streamed);
  void set_parking(bool parked);
  void unpark();

  std::shared_ptr<nn::UNet3D> unet_;
  std::vector<std::shared_ptr<nn::Module>> others_;
  c10::Device device_;
  std::unique_ptr<device::WeightStream> stream_;
  // While networks wait in host memory: what of the UNet is not streamed, and the others.
  std::unique_ptr<device::ParkedWeights> parked_unet_, parked_others_;
};

}  // namespace latentsync::lipsync
