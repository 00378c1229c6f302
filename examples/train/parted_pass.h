#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace latentsync::train {

/// Calls BODY(begin, length) for the parts of COUNT entries: on a CPU one part for each thread, at
/// the same time, because operators this small do not keep several threads busy; else all at once.
/// Each part has a thread that OpenMP gives no others: within an OpenMP region oneDNN's
/// convolutions count on threads that they do not get, and their weights' gradients are wrong or
/// never come.
void for_parts(c10::Device device, int64_t count,
               const std::function<void(int64_t, int64_t)>& body);

/// A network's way over a batch, there and back, in such parts.
class PartedPass {
 public:
  /// NETWORK(begin, length): the output of entries begin to begin + length, length first, with its
  /// history; must not depend on how the batch is divided, and is called from several threads.
  /// OUTPUT is all of them, a leaf whose gradient can be asked for.
  PartedPass(c10::Device device, int64_t count,
             const std::function<at::Tensor(int64_t, int64_t)>& network);

  const at::Tensor& output() const { return output_; }
  /// Adds to the parameters' gradients what GRADIENT, of the output, says.
  void backward(const at::Tensor& gradient);

 private:
  c10::Device device_;
  std::vector<at::Tensor> parts_;  // by the entry they begin at; undefined between
  at::Tensor output_;
};

}  // namespace latentsync::train
