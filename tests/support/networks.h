#pragma once

#include "core/nn/unet3d.h"

#include <filesystem>
#include <memory>

/// Networks of the golden data, ready on the device and in the precision of this test run.
namespace latentsync::test {

/// The tiny UNet of the golden set: configuration from unet/config.json, weights as
/// golden_weights() has them. prepared: packed for inference; else as it is trained.
std::shared_ptr<nn::UNet3D> golden_unet(bool prepared);

/// A tensor on the device and in the precision of this test run.
at::Tensor on_device(const at::Tensor& tensor);

}  // namespace latentsync::test
