#pragma once

#include "core/model/tensor_file.h"
#include "core/nn/module.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

struct OptimiserOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0.01;   ///< of weights of rank 2 and more
  double largest_gradient = 1;  ///< norm over all parameters; above it gradients are scaled down
  /// Decay of the moving average. It is lower at first: until then the average is of about the last
  /// fifth of all steps, and later of the last 1 / (1 - average).
  double average = 0.999;
  /// Whether the weight of this name, if it is of rank 2 or more, takes orthogonal steps; its first
  /// dimension counts as rows, the others as columns. Empty: none does. Their root mean square is a
  /// fifth of the learning rate, about what AdamW's is.
  std::function<bool(const std::string&)> orthogonal;
};

/// AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101) and, for the weights that `orthogonal`
/// names, Muon (Jordan and others 2024, https://kellerjordan.github.io/posts/muon): the mean
/// gradient of a matrix is replaced by the nearest one whose rows, or columns, are orthonormal, so
/// that a step moves all directions alike. With a moving average of the weights.
///
/// All parameters of a module become views of one flat tensor, so that AdamW's step is a handful of
/// operators whatever the network. Where the module works in a shorter type, the weights that are
/// trained are float32 and the module's are rounded from them after each step.
class Optimiser {
 public:
  /// MODULE is on its device and in its working type, its parameters initialised; it must outlive
  /// this object, and not be moved or converted meanwhile.
  Optimiser(nn::Module& module, const OptimiserOptions& options);

  void zero_gradients();
  /// One step from the gradients that are there. Returns their norm; a norm that is not finite
  /// leaves everything as it is.
  double step(double learning_rate);

  /// Runs BODY while the module has the averaged weights.
  void with_average(const std::function<void()>& body);
  /// The averaged weights by name, float32.
  model::TensorMap average() const;

  /// All that the next step depends on; load() takes what save() gave. Errors of load():
  /// kForeignModel.
  model::TensorMap save() const;
  void load(const model::TensorMap& state, const std::string& origin);

  int64_t steps() const { return steps_; }

 private:
  void publish(const at::Tensor& weights);
  /// Writes TO's orthogonal steps from what FROM wants of the same weights, both [n].
  void orthogonalise(const at::Tensor& from, const at::Tensor& to) const;

  OptimiserOptions options_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
  at::Tensor working_;                            // [n], what the module's parameters are views of
  at::Tensor gradients_;                          // [n], of the working type
  at::Tensor weights_, mean_, square_, average_;  // [n] float32
  at::Tensor decays_;                             // [n] float32, 1 where weights decay
  /// Weights of one shape that take orthogonal steps, by their places in parameters_.
  struct Matrices {
    int64_t rows = 0, columns = 0;
    std::vector<size_t> which;
  };
  std::vector<std::vector<Matrices>> orthogonal_;  // by the length of the shorter side
  int64_t steps_ = 0;
};

/// The steps of what Optimiser::save() gave; ORIGIN is its file. Errors: kForeignModel.
int64_t steps_of(const model::TensorMap& state, const std::string& origin);

}  // namespace latentsync::train
