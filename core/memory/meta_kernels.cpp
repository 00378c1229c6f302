#include "core/memory/meta_kernels.h"

#include "core/memory/meta_scope.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include <ATen/ExpandUtils.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

namespace latentsync::memory {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

// A CPU's copy of weights that are not packed: oneDNN takes them in the input's layout, and the
// kernel for few weights (kernels/conv3x3) transformed, which takes four times their memory. On
// CUDA they lie as they are wanted.
at::Tensor rearranged_weight(const at::Tensor& weight, at::MemoryFormat format) {
  if (MetaScope::rounding() != Rounding::kNone || weight.is_contiguous(format)) return {};
  constexpr int64_t kMostChannelPairs = 1 << 15;
  const bool transformed = weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 &&
                           weight.size(0) * weight.size(1) <= kMostChannelPairs;
  return at::empty({transformed ? 4 : 1, weight.numel()}, weight.options());
}

// The result has the input's layout, channels-last where it is.
at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const OptionalTensor& /*bias*/, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef /*output_padding*/, int64_t groups) {
  TORCH_CHECK(!transposed && input.dim() == weight.dim() &&
                  input.size(1) == weight.size(1) * groups &&
                  input.scalar_type() == weight.scalar_type(),
              "convolution: an input of ", input.sizes(), " with weights of ", weight.sizes());
  std::vector<int64_t> sizes{input.size(0), weight.size(0)};
  for (int64_t i = 2; i < input.dim(); ++i) {
    const auto at = [&](at::IntArrayRef values) { return values[values.size() > 1 ? i - 2 : 0]; };
    const int64_t reach = at(dilation) * (weight.size(i) - 1) + 1;
    sizes.push_back((input.size(i) + 2 * at(padding) - reach) / at(stride) + 1);
  }
  const auto format =
      input.dim() == 4 ? input.suggest_memory_format() : at::MemoryFormat::Contiguous;
  const auto rearranged = rearranged_weight(weight, format);
  return at::empty(sizes, input.options(), format);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> native_layer_norm(const at::Tensor& input,
                                                                 at::IntArrayRef normalized,
                                                                 const OptionalTensor& /*weight*/,
                                                                 const OptionalTensor& /*bias*/,
                                                                 double /*eps*/) {
  const auto x = input.contiguous();
  auto rows = x.sizes().vec();
  for (size_t i = 0; i < normalized.size(); ++i) rows[rows.size() - 1 - i] = 1;
  const auto floats = x.options().dtype(at::kFloat);
  return {at::empty_like(x), at::empty(rows, floats), at::empty(rows, floats)};
}

// The fused kernels: [B, H, T, d] lie as [B, T, H, d], the logarithms of the sums beside them. For
// wide heads in half precision sums are kept in float32.
at::Tensor scaled_dot_product_attention(const at::Tensor& q, const at::Tensor& k,
                                        const at::Tensor& v, const OptionalTensor& mask,
                                        double /*dropout*/, bool /*causal*/,
                                        std::optional<double> /*scale*/, bool /*gqa*/) {
  TORCH_CHECK(q.dim() == 4 && !mask && q.size(-1) == k.size(-1) && k.size(-2) == v.size(-2),
              "attention of ", q.sizes(), " to ", k.sizes());
  constexpr int64_t kAlignment = 8;
  constexpr int64_t kWideHead = 128;
  const int64_t head = q.size(3);
  const int64_t missing = (kAlignment - head % kAlignment) % kAlignment;
  const auto padded = [&](const at::Tensor& x) {
    return missing == 0 ? x : at::constant_pad_nd(x, {0, missing});
  };
  const auto queries = padded(q), keys = padded(k), values = padded(v);
  const auto floats = q.options().dtype(at::kFloat);
  const auto sums = at::empty({q.size(0), q.size(1), q.size(2)}, floats);
  at::Tensor wide;
  const auto result =
      at::empty({q.size(0), q.size(2), q.size(1), values.size(3)}, q.options()).transpose(1, 2);
  if (v.size(3) > kWideHead && q.scalar_type() != at::kFloat) {
    wide = at::empty(result.sizes(), floats);
  }
  return result.narrow(3, 0, v.size(3));
}

at::Tensor index_select(const at::Tensor& x, int64_t dim, const at::Tensor& index) {
  auto sizes = x.sizes().vec();
  sizes[dim < 0 ? dim + x.dim() : dim] = index.numel();
  return at::empty(sizes, x.options());
}

at::Tensor relu(const at::Tensor& x) { return at::empty_like(x); }

at::Tensor& abs_out(const at::Tensor& x, at::Tensor& out) {
  out.resize_(x.sizes());
  return out;
}

at::Tensor where(const at::Tensor& condition, const at::Tensor& x, const at::Tensor& y) {
  const auto sizes = at::infer_size(at::infer_size(condition.sizes(), x.sizes()), y.sizes());
  return at::empty(sizes, x.options().dtype(c10::promoteTypes(x.scalar_type(), y.scalar_type())));
}

std::tuple<at::Tensor, at::Tensor> var_mean(const at::Tensor& x, at::OptionalIntArrayRef dims,
                                            const std::optional<at::Scalar>& /*correction*/,
                                            bool keepdim) {
  const std::vector<int64_t> over = dims ? dims->vec() : std::vector<int64_t>{};
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < x.dim(); ++i) {
    const bool reduced = !dims || std::find(over.begin(), over.end(), i) != over.end();
    if (!reduced) sizes.push_back(x.size(i));
    if (reduced && keepdim) sizes.push_back(1);
  }
  return {at::empty(sizes, x.options()), at::empty(sizes, x.options())};
}

at::Tensor prelu(const at::Tensor& x, const at::Tensor& /*weight*/) { return at::empty_like(x); }

}  // namespace

void register_meta_kernels() {
  // Never destroyed: that would take the kernels away again.
  auto* const library =
      new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
  library->impl("convolution", convolution);
  library->impl("native_layer_norm", native_layer_norm);
  library->impl("scaled_dot_product_attention", scaled_dot_product_attention);
  library->impl("index_select", index_select);
  library->impl("abs.out", abs_out);
  library->impl("relu", relu);
  library->impl("where.self", where);
  library->impl("var_mean.correction", var_mean);
  library->impl("_prelu_kernel", prelu);
}

}  // namespace latentsync::memory
