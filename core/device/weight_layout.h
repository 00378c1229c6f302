#pragma once

#include "core/nn/module.h"

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

/// Weights of networks as parts of one block of memory, so that one copy moves them all.
namespace latentsync::device {

/// Parameters and buffers of a network, or of a part of one; those without elements are left out.
std::vector<at::Tensor> weights_of(const nn::Module& module);

/// Where weights lie in a block of memory: one behind the other, each with the strides that it has
/// (channels-last for example) and aligned for every kernel. To be used by one thread at a time;
/// nobody else may use the weights meanwhile.
class WeightLayout {
 public:
  explicit WeightLayout(std::vector<at::Tensor> weights);

  /// Of the whole block.
  int64_t bytes() const { return bytes_; }
  /// Copies the weights' values into MEMORY, uint8 [bytes()] on any device, and waits for it.
  void copy_to(const at::Tensor& memory) const;
  /// The weights are parts of MEMORY from now on, whatever it contains, and on its device. What
  /// they were before is freed unless others have it too.
  void place_in(const at::Tensor& memory);

 private:
  struct Place {
    at::Tensor weight;
    int64_t offset = 0;  // bytes
    std::vector<int64_t> strides;
  };
  static at::Tensor part(const at::Tensor& memory, const Place& place);

  std::vector<Place> places_;
  int64_t bytes_ = 0;
};

/// New memory, uint8 [BYTES].
at::Tensor device_memory(int64_t bytes, c10::Device device);
/// New memory of the host, uint8 [BYTES], that DEVICE copies from and to by itself: page-locked for
/// CUDA. Errors: c10::Error where the system has none left.
at::Tensor host_memory(int64_t bytes, c10::Device device);

}  // namespace latentsync::device
