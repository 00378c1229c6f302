#include "core/model/state_dict.h"

#include "core/error.h"
#include "core/model/naming.h"
#include "core/model/tensor_listing.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/isfinite.h>

namespace latentsync::model {
namespace {

struct Target {
  std::string name;
  at::Tensor tensor;
};

std::vector<Target> targets_of(const nn::Module& module) {
  std::vector<Target> targets;
  for (const auto& item : module.named_parameters()) targets.push_back({item.key(), item.value()});
  for (const auto& item : module.named_buffers()) targets.push_back({item.key(), item.value()});
  return targets;
}

/// Every target has its tensor in SOURCE, and nothing is left over.
void check_fit(const std::vector<Target>& targets, const TensorMap& source,
               const std::string& origin) {
  TensorMap left = source;
  for (const auto& [name, target] : targets) {
    const auto found = source.find(name);
    if (found == source.end()) {
      refuse_foreign(origin,
                     "it lacks the tensor " + name_text(name) + " " + shape_text(target.sizes()),
                     source);
    }
    const at::Tensor& given = found->second;
    if (given.sizes() != target.sizes()) {
      refuse_foreign(origin,
                     "tensor " + name_text(name) + " is " + shape_text(given.sizes()) +
                         ", the model needs " + shape_text(target.sizes()),
                     source);
    }
    if (target.is_floating_point() ? !given.is_floating_point()
                                   : given.scalar_type() != target.scalar_type()) {
      refuse_foreign(origin,
                     "tensor " + name_text(name) + " " + shape_text(given.sizes()) + " holds " +
                         c10::toString(given.scalar_type()) + ", the model needs " +
                         (target.is_floating_point() ? "floating-point numbers"
                                                     : c10::toString(target.scalar_type())),
                     source);
    }
    left.erase(name);
  }
  if (!left.empty()) {
    refuse_foreign(origin,
                   "the model has no tensor " + name_text(left.begin()->first) + " " +
                       shape_text(left.begin()->second.sizes()) +
                       (left.size() == 1 ? std::string()
                                         : " (nor " + std::to_string(left.size() - 1) + " others)"),
                   source);
  }
}

/// The largest magnitude that does not become infinite in DTYPE.
double largest(at::ScalarType dtype) {
  // Halfway from float16's largest number, 65504, to the next step.
  if (dtype == at::kHalf) return 65519.996;
  if (dtype == at::kDouble) return std::numeric_limits<double>::max();
  if (dtype == at::kBFloat16) return 3.3895313892515355e38;
  return std::numeric_limits<float>::max();
}

template <typename Element, typename Wide>
bool all_within(const at::Tensor& values, double limit) {
  const auto* data = static_cast<const Element*>(values.const_data_ptr());
  const auto bound = static_cast<Wide>(limit);
  std::atomic<bool> within{true};
  at::parallel_for(0, values.numel(), 1 << 18, [&](int64_t begin, int64_t end) {
    bool outside = false;
    // A NaN fails every comparison, so it counts as outside.
    for (int64_t i = begin; i < end; ++i) {
      outside |= !(std::abs(static_cast<Wide>(data[i])) <= bound);
    }
    if (outside) within = false;
  });
  return within;
}

/// Whether all of VALUES (contiguous, on the CPU, floating) are finite and stay so in DTYPE.
bool fits(const at::Tensor& values, at::ScalarType dtype) {
  const double limit = std::min(largest(dtype), largest(values.scalar_type()));
  switch (values.scalar_type()) {
    case at::kDouble:
      return all_within<double, double>(values, limit);
    case at::kHalf:
      return all_within<c10::Half, float>(values, limit);
    case at::kBFloat16:
      return all_within<c10::BFloat16, float>(values, limit);
    case at::kFloat:
      return all_within<float, float>(values, limit);
    default:
      return false;
  }
}

void check_values(const std::string& name, const at::Tensor& values, at::ScalarType dtype,
                  const std::string& origin) {
  if (fits(values, dtype)) return;
  if (!at::isfinite(values).all().item<bool>()) {
    throw Error(ErrorCode::kForeignModel,
                "The model file \"" + origin + "\" cannot be used: tensor " + name_text(name) +
                    " " + shape_text(values.sizes()) +
                    " contains NaN or infinity. Its training or conversion failed.");
  }
  throw Error(ErrorCode::kUnsupported,
              "The model file \"" + origin + "\" cannot be used in " +
                  std::string(c10::toString(dtype)) + ": tensor " + name_text(name) + " " +
                  shape_text(values.sizes()) +
                  " has values outside its range. Choose another precision.");
}

void fill(const Target& target, const at::Tensor& given, const std::string& origin,
          at::Device device, at::ScalarType dtype) {
  const bool floating = target.tensor.is_floating_point();
  const at::Tensor values = given.device().is_cpu() ? given.contiguous() : given;
  if (floating && values.device().is_cpu()) check_values(target.name, values, dtype, origin);
  const at::ScalarType wanted = floating ? dtype : target.tensor.scalar_type();
  const bool moves = target.tensor.device() != device || target.tensor.scalar_type() != wanted;
  const at::Tensor destination =
      moves ? at::empty_like(target.tensor, target.tensor.options().device(device).dtype(wanted),
                             at::MemoryFormat::Preserve)
            : target.tensor;
  destination.copy_(values);
  // Only now: GIVEN may be the module's own tensor, which set_data() empties.
  if (moves) at::Tensor(target.tensor).set_data(destination);
  release_pages(given);
}

template <typename Source>
void load(nn::Module& module, Source&& source, const std::string& origin, at::Device device,
          at::ScalarType dtype, const LoadObserver& observer) {
  const at::NoGradGuard no_grad;
  const std::vector<Target> targets = targets_of(module);
  check_fit(targets, source, origin);
  for (const Target& target : targets) {
    const auto found = source.find(target.name);
    fill(target, found->second, origin, device, dtype);
    if (observer) observer(found->second);
    if constexpr (!std::is_lvalue_reference_v<Source>) source.erase(found);
  }
}

}  // namespace

void load_state(nn::Module& module, const TensorMap& source, const std::string& origin,
                c10::Device device, c10::ScalarType dtype, const LoadObserver& observer) {
  load(module, source, origin, device, dtype, observer);
}

void load_state(nn::Module& module, TensorMap&& source, const std::string& origin,
                c10::Device device, c10::ScalarType dtype, const LoadObserver& observer) {
  load(module, std::move(source), origin, device, dtype, observer);
}

}  // namespace latentsync::model
