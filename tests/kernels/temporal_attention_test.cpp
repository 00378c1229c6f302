#include "kernels/temporal_attention/temporal_attention.h"

#include "tests/support/compare.h"

#include <cmath>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::kernels {
namespace {

// The definition in double precision, one token and head after the other.
at::Tensor gold(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                int64_t frames) {
  const auto in_double = [](const at::Tensor& x) {
    return x.to(at::kCPU, at::kDouble).contiguous();
  };
  const auto qd = in_double(q), kd = in_double(k), vd = in_double(v);
  const auto out = at::zeros_like(qd);
  const int64_t tokens = q.size(1), channels = q.size(2), d = channels / heads;
  const double* qp = qd.const_data_ptr<double>();
  const double* kp = kd.const_data_ptr<double>();
  const double* vp = vd.const_data_ptr<double>();
  double* op = out.mutable_data_ptr<double>();
  const auto at = [&](int64_t b, int64_t f, int64_t t, int64_t h) {
    return ((b * frames + f) * tokens + t) * channels + h * d;
  };
  for (int64_t b = 0; b < q.size(0) / frames; ++b) {
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t i = 0; i < frames; ++i) {
          std::vector<double> weights(frames);
          double total = 0;
          for (int64_t j = 0; j < frames; ++j) {
            double score = 0;
            for (int64_t x = 0; x < d; ++x)
              score += qp[at(b, i, t, h) + x] * kp[at(b, j, t, h) + x];
            weights[j] = std::exp(score / std::sqrt(static_cast<double>(d)));
            total += weights[j];
          }
          for (int64_t j = 0; j < frames; ++j) {
            for (int64_t x = 0; x < d; ++x) {
              op[at(b, i, t, h) + x] += weights[j] / total * vp[at(b, j, t, h) + x];
            }
          }
        }
      }
    }
  }
  return out;
}

struct Shape {
  int64_t batch, frames, tokens, heads, head_dim;
};

class TemporalAttention : public testing::TestWithParam<Shape> {};

at::Tensor make(at::IntArrayRef sizes) {
  return at::randn(sizes).to(test::test_device(), test::test_precision());
}

// Every value equals the definition, for windows of every length, odd head sizes, and inputs that
// are not contiguous.
TEST_P(TemporalAttention, EqualsTheDefinition) {
  const auto& s = GetParam();
  const auto q = make({s.batch * s.frames, s.tokens, s.heads * s.head_dim}) * 2;
  const auto k = make({s.batch * s.frames, s.heads * s.head_dim, s.tokens}).transpose(1, 2);
  const auto v = make({s.batch * s.frames, s.tokens, s.heads * s.head_dim});
  const auto limit = test::tolerance({.max_abs = 1e-5, .rel_l2 = 1e-6}, 1e-2);
  EXPECT_TRUE(test::close(temporal_attention(q, k, v, s.heads, s.frames),
                          gold(q, k, v, s.heads, s.frames), limit));
  // ATen's fused attention on a GPU: products of three TensorFloat-32 parts.
  EXPECT_TRUE(test::close(temporal_attention_composite(q, k, v, s.heads, s.frames),
                          gold(q, k, v, s.heads, s.frames),
                          test::tolerance({.max_abs = 1e-4, .rel_l2 = 1e-5}, 1e-2)));
}

INSTANTIATE_TEST_SUITE_P(Shapes, TemporalAttention,
                         testing::Values(Shape{1, 1, 3, 2, 8}, Shape{2, 16, 5, 8, 40},
                                         Shape{1, 24, 4, 8, 160}, Shape{2, 5, 64, 8, 4},
                                         Shape{3, 2, 7, 1, 33}, Shape{1, 32, 2, 2, 80},
                                         Shape{1, 33, 2, 2, 16}, Shape{1, 16, 100, 2, 32}));

// Scores of any size do not overflow: the largest is taken out first.
TEST(TemporalAttentionRange, LargeScoresStayFinite) {
  const auto q = make({4, 3, 16}) * 100;
  const auto out = temporal_attention(q, q, q, 2, 4);
  EXPECT_TRUE(at::isfinite(out).all().item<bool>());
}

// The number of threads does not change a bit.
TEST(TemporalAttentionDeterminism, ThreadsDoNotChangeTheResult) {
  const auto x = at::randn({16, 64, 80});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = temporal_attention(x, x, x, 4, 8);
  at::set_num_threads(2);
  const auto together = temporal_attention(x, x, x, 4, 8);
  at::set_num_threads(threads);
  EXPECT_TRUE(alone.equal(together));
}

// Gradients flow to queries, keys and values.
TEST(TemporalAttentionGradient, FlowsToEveryInput) {
  auto q = at::randn({4, 3, 16}).requires_grad_();
  auto k = at::randn({4, 3, 16}).requires_grad_();
  auto v = at::randn({4, 3, 16}).requires_grad_();
  temporal_attention(q, k, v, 2, 4).square().sum().backward();
  for (const auto& t : {q, k, v}) EXPECT_GT(t.grad().abs().sum().item<float>(), 0);
}

// Nothing in, nothing out.
TEST(TemporalAttention_Negative, EmptyStaysEmpty) {
  const auto x = at::randn({4, 0, 16});
  EXPECT_EQ(temporal_attention(x, x, x, 2, 4).numel(), 0);
}

// Arguments that do not fit are refused, never read past.
TEST(TemporalAttention_Negative, RefusesWhatDoesNotFit) {
  const auto x = at::randn({4, 3, 16});
  EXPECT_THROW(temporal_attention(x, x, x, 3, 4), c10::Error);
  EXPECT_THROW(temporal_attention(x, x, x, 0, 4), c10::Error);
  EXPECT_THROW(temporal_attention(x, x, x, 2, 3), c10::Error);
  EXPECT_THROW(temporal_attention(x, x, x, 2, 0), c10::Error);
  EXPECT_THROW(temporal_attention(x, at::randn({4, 2, 16}), x, 2, 4), c10::Error);
  EXPECT_THROW(temporal_attention(x, x, x.to(at::kDouble), 2, 4), c10::Error);
  EXPECT_THROW(temporal_attention(x[0], x[0], x[0], 2, 4), c10::Error);
}

}  // namespace
}  // namespace latentsync::kernels
