#include "kernels/group_norm/group_norm.h"

#include "kernels/group_norm/group_norm_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace latentsync::kernels {

void check_group_norm(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                      const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                      int64_t frames) {
  TORCH_CHECK(x.dim() == 4 && x.is_floating_point(),
              "group_norm: x is [B*F, C, H, W] of a floating type");
  const auto channels = x.size(1);
  TORCH_CHECK(groups > 0 && channels % groups == 0, "group_norm: ", groups,
              " groups do not divide ", channels, " channels");
  TORCH_CHECK(frames > 0 && x.size(0) % frames == 0, "group_norm: ", frames,
              " frames do not divide ", x.size(0), " entries");
  TORCH_CHECK(weight.sizes() == at::IntArrayRef({channels}) && bias.sizes() == weight.sizes(),
              "group_norm: weight and bias are [", channels, "]");
  TORCH_CHECK(weight.scalar_type() == x.scalar_type() && bias.scalar_type() == x.scalar_type() &&
                  weight.device() == x.device() && bias.device() == x.device(),
              "group_norm: x, weight and bias have one dtype and device");
  if (shift) {
    TORCH_CHECK(shift->sizes() == at::IntArrayRef({x.size(0) / frames, channels}) &&
                    shift->scalar_type() == x.scalar_type() && shift->device() == x.device(),
                "group_norm: shift is [", x.size(0) / frames, ", ", channels,
                "] of x's dtype and device");
  }
}

void check_group_norm_(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                       const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                       int64_t frames) {
  check_group_norm(x, shift, weight, bias, groups, frames);
  TORCH_CHECK(x.is_contiguous(at::MemoryFormat::ChannelsLast),
              "group_norm_: x is channels-last contiguous");
}

// The same with ATen's differentiable operators; also what devices and dtypes without a kernel of
// ours run.
at::Tensor group_norm_composite(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                                const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                                int64_t frames, double eps, bool silu) {
  check_group_norm(x, shift, weight, bias, groups, frames);
  auto y = x.unflatten(0, {x.size(0) / frames, frames}).transpose(1, 2);  // [B, C, F, H, W]
  if (shift) y = y + shift->unsqueeze(-1).unsqueeze(-1).unsqueeze(-1);
  y = at::group_norm(y.contiguous(), groups, weight, bias, eps)
          .transpose(1, 2)
          .flatten(0, 1)
          .contiguous(at::MemoryFormat::ChannelsLast);
  return silu ? at::silu(y) : y;
}

namespace {

bool wants_gradient(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                    const at::Tensor& weight, const at::Tensor& bias) {
  return at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad() ||
                                        bias.requires_grad() || (shift && shift->requires_grad()));
}

const auto& op() {
  static const auto handle = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("latentsync::group_norm", "")
                                 .typed<decltype(group_norm_composite)>();
  return handle;
}

struct Differentiable : torch::autograd::Function<Differentiable> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& shift, const at::Tensor& weight,
                            const at::Tensor& bias, int64_t groups, int64_t frames, double eps,
                            bool silu) {
    context->save_for_backward({x, shift.value_or(at::Tensor()), weight, bias});
    context->saved_data["groups"] = groups;
    context->saved_data["frames"] = frames;
    context->saved_data["eps"] = eps;
    context->saved_data["silu"] = silu;
    const at::AutoDispatchBelowAutograd below;
    return op().call(x, shift, weight, bias, groups, frames, eps, silu);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& wanted) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "group_norm: no second derivative on a CPU");
    const auto saved = context->get_saved_variables();
    const auto made = group_norm_gradients_cpu(
        wanted[0], saved[0], saved[1].defined() ? std::optional(saved[1]) : std::nullopt, saved[2],
        saved[3], context->saved_data["groups"].toInt(), context->saved_data["frames"].toInt(),
        context->saved_data["eps"].toDouble(), context->saved_data["silu"].toBool());
    return {made.x, made.shift, made.weight, made.bias, {}, {}, {}, {}};
  }
};

// Others' goes through ATen.
bool has_own_gradient(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.numel() > 0;
}

at::Tensor autograd(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                    const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                    int64_t frames, double eps, bool silu) {
  if (wants_gradient(x, shift, weight, bias)) {
    if (!has_own_gradient(x)) {
      return group_norm_composite(x, shift, weight, bias, groups, frames, eps, silu);
    }
    return Differentiable::apply(x, shift, weight, bias, groups, frames, eps, silu);
  }
  const at::AutoDispatchBelowAutograd below;
  return op().call(x, shift, weight, bias, groups, frames, eps, silu);
}

using InPlace = at::Tensor&(at::Tensor&, const std::optional<at::Tensor>&, const at::Tensor&,
                            const at::Tensor&, int64_t, int64_t, double, bool);

const auto& in_place_op() {
  static const auto handle = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("latentsync::group_norm_", "")
                                 .typed<InPlace>();
  return handle;
}

at::Tensor& in_place_composite(at::Tensor& x, const std::optional<at::Tensor>& shift,
                               const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                               int64_t frames, double eps, bool silu) {
  check_group_norm_(x, shift, weight, bias, groups, frames);
  return x.copy_(group_norm_composite(x, shift, weight, bias, groups, frames, eps, silu));
}

at::Tensor& in_place_autograd(at::Tensor& x, const std::optional<at::Tensor>& shift,
                              const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                              int64_t frames, double eps, bool silu) {
  TORCH_CHECK(!wants_gradient(x, shift, weight, bias), "group_norm_: has no gradient");
  const at::AutoDispatchBelowAutograd below;
  return in_place_op().call(x, shift, weight, bias, groups, frames, eps, silu);
}

// Tensors without memory.
at::Tensor& in_place_meta(at::Tensor& x, const std::optional<at::Tensor>& shift,
                          const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                          int64_t frames, double eps, bool silu) {
  check_group_norm_(x, shift, weight, bias, groups, frames);
  return x;
}

}  // namespace

at::Tensor& group_norm_(at::Tensor& x, const std::optional<at::Tensor>& shift,
                        const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                        int64_t frames, double eps, bool silu) {
  return in_place_op().call(x, shift, weight, bias, groups, frames, eps, silu);
}

at::Tensor group_norm(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                      const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                      int64_t frames, double eps, bool silu) {
  return op().call(x, shift, weight, bias, groups, frames, eps, silu);
}

TORCH_LIBRARY_IMPL(latentsync, CompositeExplicitAutograd, m) {
  m.impl("group_norm", group_norm_composite);
  m.impl("group_norm_", in_place_composite);
}
TORCH_LIBRARY_IMPL(latentsync, Autograd, m) {
  m.impl("group_norm", autograd);
  m.impl("group_norm_", in_place_autograd);
}
TORCH_LIBRARY_IMPL(latentsync, Meta, m) { m.impl("group_norm_", in_place_meta); }

}  // namespace latentsync::kernels
