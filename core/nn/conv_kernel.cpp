#include "core/nn/conv_kernel.h"

#include "core/nn/in_place.h"
#include "core/nn/interruption.h"
#include "core/nn/packed_ops.h"
#include "core/nn/tokens.h"
#include "kernels/conv3x3/conv3x3.h"

#include <utility>

#include <ATen/ops/conv2d.h>

namespace latentsync::nn {
namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

at::Tensor activated(at::Tensor x, ConvActivation activation) {
  return activation == ConvActivation::kRelu ? relu_into(std::move(x)) : x;
}

class DenseConv : public ConvKernel {
 public:
  DenseConv(at::Tensor weight, at::Tensor bias, const Conv2dOptions& options)
      : weight_(std::move(weight)), bias_(std::move(bias)), options_(options) {}

  at::Tensor run(const at::Tensor& x, ConvActivation activation) const override {
    return activated(
        at::conv2d(x.contiguous(kLast), weight_, bias_, options_.stride, options_.padding)
            .contiguous(kLast),
        activation);
  }

 private:
  at::Tensor weight_, bias_;
  Conv2dOptions options_;
};

class PointwiseConv : public ConvKernel {
 public:
  explicit PointwiseConv(std::shared_ptr<const LinearKernel> linear) : linear_(std::move(linear)) {}

  at::Tensor run(const at::Tensor& x, ConvActivation activation) const override {
    return activated(from_tokens(linear_->run(to_tokens(x)), x.size(2), x.size(3)), activation);
  }
  at::Tensor run_add(const at::Tensor& x, const at::Tensor& residual,
                     ConvActivation activation) const override {
    return activated(
        from_tokens(linear_->run_add(to_tokens(x), to_tokens(residual)), x.size(2), x.size(3)),
        activation);
  }

 private:
  std::shared_ptr<const LinearKernel> linear_;
};

class FilteredDenseConv : public ConvKernel {
 public:
  FilteredDenseConv(at::Tensor weight, at::Tensor bias)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  at::Tensor run(const at::Tensor& x, ConvActivation activation) const override {
    return activated(kernels::conv3x3_differentiable(x.contiguous(kLast), weight_, bias_),
                     activation);
  }

 private:
  at::Tensor weight_, bias_;
};

/// Kernels of a CPU without autograd, whose batches can be interrupted between their images.
class PartedConv : public ConvKernel {
 protected:
  PartedConv(const at::Tensor& weight, at::Tensor bias, const Conv2dOptions& options)
      : bias_(std::move(bias)),
        options_(options),
        operations_(2. * static_cast<double>(weight.numel())) {}

  template <typename Run>
  at::Tensor in_parts_of(const at::Tensor& x, const Run& run) const {
    const auto outputs = x.size(0) * x.size(2) * x.size(3) / (options_.stride * options_.stride);
    return in_parts(x.size(0), operations_ * static_cast<double>(outputs), x.device(), run);
  }

  at::Tensor bias_;
  Conv2dOptions options_;

 private:
  double operations_;  // for one pixel of the result
};

class FilteredConv : public PartedConv {
 public:
  FilteredConv(const at::Tensor& weight, const at::Tensor& bias, const Conv2dOptions& options)
      : PartedConv(weight, bias, options), matrices_(kernels::conv3x3_weights(weight)) {}

  at::Tensor run(const at::Tensor& x, ConvActivation activation) const override {
    return in_parts_of(x, [&](int64_t begin, int64_t count) {
      return kernels::conv3x3(x.narrow(0, begin, count), matrices_, bias_, {},
                              activation == ConvActivation::kRelu);
    });
  }
  at::Tensor run_add(const at::Tensor& x, const at::Tensor& residual,
                     ConvActivation activation) const override {
    return in_parts_of(x, [&](int64_t begin, int64_t count) {
      return kernels::conv3x3(x.narrow(0, begin, count), matrices_, bias_,
                              residual.narrow(0, begin, count),
                              activation == ConvActivation::kRelu);
    });
  }

 private:
  at::Tensor matrices_;
};

// A sum is not left to oneDNN's convolution: with a binary post-operation it fails on some shapes.
class PackedConv : public PartedConv {
 public:
  PackedConv(at::Tensor weight, const at::Tensor& bias, const Conv2dOptions& options)
      : PartedConv(weight, bias, options),
        packed_(packed::pack_conv2d(std::move(weight), options.stride, options.padding)) {}

  at::Tensor run(const at::Tensor& x, ConvActivation activation) const override {
    const auto input = x.contiguous(kLast);
    return activated(in_parts_of(input,
                                 [&](int64_t begin, int64_t count) {
                                   return packed::conv2d(input.narrow(0, begin, count), packed_,
                                                         bias_, options_.stride, options_.padding);
                                 }),
                     activation);
  }

 private:
  at::Tensor packed_;
};

}  // namespace

at::Tensor ConvKernel::run_add(const at::Tensor& x, const at::Tensor& residual,
                               ConvActivation activation) const {
  return activated(add_into(run(x, ConvActivation::kNone), residual), activation);
}

std::shared_ptr<const ConvKernel> dense_conv(const at::Tensor& weight, const at::Tensor& bias,
                                             const Conv2dOptions& options) {
  return std::make_shared<DenseConv>(weight, bias, options);
}

std::shared_ptr<const ConvKernel> pointwise_conv(std::shared_ptr<const LinearKernel> linear) {
  return std::make_shared<PointwiseConv>(std::move(linear));
}

// Transformed, weights take four times the memory: little for a small network, too much for one
// that has most of them in a few wide layers.
bool takes_filtered_conv(const at::Tensor& weight, const Conv2dOptions& options) {
  constexpr int64_t kMostChannelPairs = 1 << 15;
  return options.kernel == 3 && options.stride == 1 && options.padding == 1 &&
         weight.size(0) * weight.size(1) <= kMostChannelPairs && kernels::conv3x3_takes(weight);
}

std::shared_ptr<const ConvKernel> filtered_dense_conv(const at::Tensor& weight,
                                                      const at::Tensor& bias) {
  return std::make_shared<FilteredDenseConv>(weight, bias);
}

std::shared_ptr<const ConvKernel> filtered_conv(const at::Tensor& weight, const at::Tensor& bias,
                                                const Conv2dOptions& options) {
  return std::make_shared<FilteredConv>(weight, bias, options);
}

std::shared_ptr<const ConvKernel> packed_conv(at::Tensor weight, const at::Tensor& bias,
                                              const Conv2dOptions& options) {
  return std::make_shared<PackedConv>(std::move(weight), bias, options);
}

}  // namespace latentsync::nn
