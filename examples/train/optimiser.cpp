#include "examples/train/optimiser.h"

#include "core/error.h"
#include "examples/train/parted_pass.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

namespace latentsync::train {
namespace {

[[noreturn]] void refuse(const std::string& origin) {
  throw Error(
      ErrorCode::kForeignModel,
      "The checkpoint \"" + origin + "\" is of another network; give another --out, or remove it.");
}

// What five turns of the Newton-Schulz iteration with Muon's coefficients multiply x by, for each
// of GRAM = x x^T [n, k, k]. A turn is x -> (a + b G + c G^2) x with G = x x^T; all of these are
// polynomials of the first G, so that turns are made of these small matrices alone.
at::Tensor factor_of(at::Tensor gram) {
  constexpr double kA = 3.4445, kB = -4.775, kC = 2.0315;
  constexpr int kTurns = 5;
  at::Tensor product;
  for (int turn = 0; turn < kTurns; ++turn) {
    auto factor = at::baddbmm(gram, gram, gram, kB, kC);
    factor.diagonal(0, 1, 2).add_(kA);
    if (turn + 1 < kTurns) gram = at::bmm(at::bmm(factor, gram), factor);
    product = product.defined() ? at::bmm(factor, product) : factor;
  }
  return product;
}

// Each matrix as the nearest one with orthonormal rows, or columns, nearly: singular values are
// left between 0.7 and 1.2. Scaled to the root mean square of AdamW's steps. MATRICES: by shape,
// [n, rows, columns] each; the shorter side is the same in all, so that turns are made once.
std::vector<at::Tensor> orthogonalised(const std::vector<at::Tensor>& matrices) {
  constexpr double kRootMeanSquare = 0.2;
  std::vector<at::Tensor> wide, grams, made;
  for (const auto& of_shape : matrices) {
    const auto x = of_shape.size(1) > of_shape.size(2) ? of_shape.transpose(1, 2) : of_shape;
    wide.push_back(x / (at::linalg_vector_norm(x, 2, {1, 2}, /*keepdim=*/true) + 1e-12));
    grams.push_back(at::bmm(wide.back(), wide.back().transpose(1, 2)));
  }
  const auto factors = factor_of(at::cat(grams));
  int64_t begin = 0;
  for (size_t i = 0; i < matrices.size(); ++i) {
    const auto count = wide[i].size(0);
    const auto x = at::bmm(factors.narrow(0, begin, count), wide[i]) *
                   (kRootMeanSquare * std::sqrt(static_cast<double>(wide[i].size(2))));
    made.push_back(matrices[i].size(1) > matrices[i].size(2) ? x.transpose(1, 2) : x);
    begin += count;
  }
  return made;
}

}  // namespace

Optimiser::Optimiser(nn::Module& module, const OptimiserOptions& options) : options_(options) {
  const at::NoGradGuard no_grad;
  int64_t count = 0;
  for (auto& item : module.named_parameters()) {
    names_.push_back(item.key());
    parameters_.push_back(item.value());
    count += item.value().numel();
  }
  const auto own = parameters_.at(0).options().requires_grad(false);
  working_ = at::empty({count}, own);
  gradients_ = at::zeros_like(working_);
  decays_ = at::empty({count}, own.dtype(at::kFloat));
  std::map<int64_t, std::map<std::pair<int64_t, int64_t>, std::vector<size_t>>> groups;
  int64_t offset = 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    auto& parameter = parameters_[i];
    const auto place = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, parameter.numel()).view(parameter.sizes());
    };
    place(working_).copy_(parameter);
    place(decays_).fill_(parameter.dim() > 1 ? 1 : 0);
    parameter.set_data(place(working_));
    parameter.requires_grad_(true);
    parameter.mutable_grad() = place(gradients_);
    if (options.orthogonal && parameter.dim() > 1 && options.orthogonal(names_[i])) {
      const auto rows = parameter.size(0), columns = parameter.numel() / rows;
      groups[std::min(rows, columns)][{rows, columns}].push_back(i);
    }
    offset += parameter.numel();
  }
  for (auto& [side, shapes] : groups) {
    auto& group = orthogonal_.emplace_back();
    for (auto& [shape, which] : shapes) {
      group.push_back({shape.first, shape.second, std::move(which)});
    }
  }
  weights_ = working_.to(at::kFloat);
  if (weights_.is_same(working_)) weights_ = working_.clone();
  mean_ = at::zeros_like(weights_);
  square_ = at::zeros_like(weights_);
  average_ = weights_.clone();
}

void Optimiser::zero_gradients() {
  const at::NoGradGuard no_grad;
  gradients_.zero_();
}

double Optimiser::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  auto gradient = gradients_.to(at::kFloat);
  const double norm = at::linalg_vector_norm(gradient).item<double>();
  if (!std::isfinite(norm)) return norm;
  if (norm > options_.largest_gradient) gradient = gradient * (options_.largest_gradient / norm);
  ++steps_;
  const auto count = static_cast<double>(steps_);
  mean_.lerp_(gradient, 1 - options_.beta1);
  square_.lerp_(gradient.square(), 1 - options_.beta2);
  const double mean_bias = 1 - std::pow(options_.beta1, count);
  const double square_bias = 1 - std::pow(options_.beta2, count);
  weights_.mul_(1 - decays_ * (learning_rate * options_.weight_decay));
  auto change = (mean_ / mean_bias).div_((square_ / square_bias).sqrt_().add_(options_.epsilon));
  const auto blend = gradient.lerp(mean_, options_.beta1);
  orthogonalise(blend, change);
  weights_.sub_(change, learning_rate);
  average_.lerp_(weights_, 1 - std::min(options_.average, (1 + count) / (5 + count)));
  publish(weights_);
  return norm;
}

void Optimiser::orthogonalise(const at::Tensor& from, const at::Tensor& to) const {
  std::vector<int64_t> sizes;
  for (const auto& parameter : parameters_) sizes.push_back(parameter.numel());
  const auto given = from.split_with_sizes(sizes), wanted = to.split_with_sizes(sizes);
  // On a CPU each thread has its share of the matrices of every shape.
  const int64_t shares = from.is_cpu() ? at::get_num_threads() : 1;
  for_parts(from.device(), shares, [&](int64_t begin, int64_t length) {
    const at::NoGradGuard no_grad;
    for (const auto& group : orthogonal_) {
      std::vector<at::Tensor> matrices, places, steps;
      for (size_t shape = 0; shape < group.size(); ++shape) {
        const auto& [rows, columns, which] = group[shape];
        std::vector<at::Tensor> own;
        for (size_t i = 0; i < which.size(); ++i) {
          const auto share = static_cast<int64_t>(i + shape) % shares;
          if (share < begin || share >= begin + length) continue;
          own.push_back(given[which[i]].view({rows, columns}));
          places.push_back(wanted[which[i]].view({rows, columns}));
        }
        if (!own.empty()) matrices.push_back(at::stack(own));
      }
      if (matrices.empty()) continue;
      for (const auto& made : orthogonalised(matrices)) {
        for (auto& step : made.unbind()) steps.push_back(std::move(step));
      }
      at::_foreach_copy_(places, steps);
    }
  });
}

void Optimiser::publish(const at::Tensor& weights) {
  const at::NoGradGuard no_grad;
  working_.copy_(weights);
}

void Optimiser::with_average(const std::function<void()>& body) {
  publish(average_);
  try {
    body();
  } catch (...) {
    publish(weights_);
    throw;
  }
  publish(weights_);
}

model::TensorMap Optimiser::average() const {
  model::TensorMap result;
  int64_t offset = 0;
  for (size_t i = 0; i < names_.size(); ++i) {
    result[names_[i]] =
        average_.narrow(0, offset, parameters_[i].numel()).view(parameters_[i].sizes());
    offset += parameters_[i].numel();
  }
  return result;
}

model::TensorMap Optimiser::save() const {
  return {{"weights", weights_},
          {"mean", mean_},
          {"square", square_},
          {"average", average_},
          {"steps", at::full({1}, steps_, at::kLong)}};
}

void Optimiser::load(const model::TensorMap& state, const std::string& origin) {
  const at::NoGradGuard no_grad;
  const std::pair<const char*, at::Tensor*> parts[] = {
      {"weights", &weights_}, {"mean", &mean_}, {"square", &square_}, {"average", &average_}};
  for (const auto& [name, tensor] : parts) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor->sizes()) {
      refuse(origin);
    }
    tensor->copy_(found->second);
  }
  steps_ = steps_of(state, origin);
  publish(weights_);
}

int64_t steps_of(const model::TensorMap& state, const std::string& origin) {
  const auto found = state.find("steps");
  if (found == state.end() || found->second.numel() != 1) refuse(origin);
  return found->second.item<int64_t>();
}

}  // namespace latentsync::train
