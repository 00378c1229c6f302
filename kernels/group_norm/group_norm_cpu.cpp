#include "kernels/group_norm/group_norm.h"
#include "kernels/group_norm/group_norm_gradients.h"
#include "kernels/group_norm/group_norm_loops.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

namespace latentsync::kernels {
namespace {

// What the loops need of one batch entry, each [C].
struct EntryStatistics {
  std::vector<float> shift, pivot, mean_high, mean_low, scale, offset;
  std::vector<double> inverse;  // of the group's deviation
};

struct Problem {
  Element element;
  const char* x;
  int64_t entries;   // B
  int64_t rows;      // F*H*W of an entry
  int64_t channels;  // C
  int64_t groups;
  double eps;

  int64_t row_bytes() const { return channels * (element == Element::kFloat ? 4 : 2); }
  const char* entry(int64_t b) const { return x + b * rows * row_bytes(); }
};

// Rows of one task: about 256 KiB, so that a task's data stay in the second-level cache.
int64_t rows_of_task(const Problem& problem) {
  return std::max<int64_t>(1, (256 << 10) / problem.row_bytes());
}

// Chan's formula: each group's mean and variance from its channels' sums about their pivots.
void finish_statistics(const Problem& problem, const double* sum, const double* sum_of_squares,
                       const float* weight, const float* bias, EntryStatistics& entry) {
  const int64_t width = problem.channels / problem.groups;
  const auto rows = static_cast<double>(problem.rows);
  for (int64_t g = 0; g < problem.groups; ++g) {
    double mean = 0;
    for (int64_t c = g * width; c < (g + 1) * width; ++c) mean += entry.pivot[c] + sum[c] / rows;
    mean /= static_cast<double>(width);
    double squares = 0;
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      const double channel_mean = sum[c] / rows;
      const double distance = entry.pivot[c] + channel_mean - mean;
      squares +=
          sum_of_squares[c] - rows * channel_mean * channel_mean + rows * distance * distance;
    }
    const double variance = std::max(0.0, squares / (rows * static_cast<double>(width)));
    const double inverse = 1 / std::sqrt(variance + problem.eps);
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      entry.mean_high[c] = static_cast<float>(mean);
      entry.mean_low[c] = static_cast<float>(mean - entry.mean_high[c]);
      entry.inverse[c] = inverse;
      entry.scale[c] = static_cast<float>(inverse * weight[c]);
      entry.offset[c] = bias[c];
    }
  }
}

EntryStatistics statistics(const Problem& problem, int64_t b, const float* shift,
                           const float* weight, const float* bias) {
  const auto channels = static_cast<size_t>(problem.channels);
  EntryStatistics entry;
  entry.shift.assign(channels, 0);
  if (shift != nullptr) entry.shift.assign(shift, shift + channels);
  entry.mean_high.resize(channels);
  entry.mean_low.resize(channels);
  entry.scale.resize(channels);
  entry.offset.resize(channels);
  entry.inverse.resize(channels);

  // The first row as the pivot: the sum of its distances to a pivot of zero is the row itself.
  std::vector<float> zeros(channels), scratch(2 * channels);
  std::vector<double> first(channels), unused(channels);
  LATENTSYNC_CPU_DISPATCH(group_norm_sums, problem.element, problem.entry(b), entry.shift.data(),
                          zeros.data(), 1, problem.channels, scratch.data(), first.data(),
                          unused.data());
  entry.pivot.assign(first.begin(), first.end());

  const int64_t task_rows = rows_of_task(problem);
  const int64_t tasks = (problem.rows + task_rows - 1) / task_rows;
  std::vector<double> sums(tasks * channels), squares(tasks * channels);
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> task_scratch(2 * channels);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task * task_rows;
      LATENTSYNC_CPU_DISPATCH(
          group_norm_sums, problem.element, problem.entry(b) + row * problem.row_bytes(),
          entry.shift.data(), entry.pivot.data(), std::min(task_rows, problem.rows - row),
          problem.channels, task_scratch.data(), &sums[task * channels], &squares[task * channels]);
    }
  });
  // In the order of the tasks, so that the number of threads does not change the result.
  for (int64_t task = 1; task < tasks; ++task) {
    for (size_t c = 0; c < channels; ++c) {
      sums[c] += sums[task * channels + c];
      squares[c] += squares[task * channels + c];
    }
  }
  finish_statistics(problem, sums.data(), squares.data(), weight, bias, entry);
  return entry;
}

void apply(const Problem& problem, int64_t b, const EntryStatistics& entry, bool silu, char* y) {
  const int64_t task_rows = rows_of_task(problem);
  const int64_t tasks = (problem.rows + task_rows - 1) / task_rows;
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * task_rows;
    const int64_t rows = std::min(end * task_rows, problem.rows) - first;
    const int64_t offset = (b * problem.rows + first) * problem.row_bytes();
    LATENTSYNC_CPU_DISPATCH(group_norm_apply, problem.element, problem.x + offset,
                            entry.shift.data(), entry.mean_high.data(), entry.mean_low.data(),
                            entry.scale.data(), entry.offset.data(), silu, rows, problem.channels,
                            y + offset);
  });
}

// What one entry adds to the gradients of weight and bias, and its shift's own, each [C].
struct EntryGradient {
  std::vector<float> slope, level;  // as group_norm_gradient() takes them
  std::vector<double> shift, weight, bias;
};

EntryGradient gradient_of_parameters(const Problem& problem, const EntryStatistics& entry,
                                     const float* x, const float* dy, const float* weight,
                                     bool silu) {
  const auto channels = static_cast<size_t>(problem.channels);
  std::vector<double> gradients(channels), projected(channels), offsets(channels);
  std::vector<float> scratch(3 * channels);
  LATENTSYNC_CPU_DISPATCH(group_norm_gradient_sums, x, dy, entry.shift.data(),
                          entry.mean_high.data(), entry.mean_low.data(), entry.scale.data(),
                          entry.offset.data(), silu, problem.rows, problem.channels, scratch.data(),
                          gradients.data(), projected.data(), offsets.data());
  EntryGradient made;
  made.slope.resize(channels);
  made.level.resize(channels);
  made.shift.resize(channels);
  made.weight.resize(channels);
  const int64_t width = problem.channels / problem.groups;
  const auto rows = static_cast<double>(problem.rows);
  for (int64_t g = 0; g < problem.groups; ++g) {
    const double inverse = entry.inverse[g * width];
    double mean = 0, along = 0;  // of what is wanted of the normalised values, and along them
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      mean += weight[c] * gradients[c];
      along += weight[c] * projected[c] * inverse;
    }
    mean /= rows * static_cast<double>(width);
    along /= rows * static_cast<double>(width);
    const double slope = inverse * inverse * along, level = inverse * mean;
    for (int64_t c = g * width; c < (g + 1) * width; ++c) {
      made.slope[c] = static_cast<float>(slope);
      made.level[c] = static_cast<float>(level);
      made.weight[c] = projected[c] * inverse;
      made.shift[c] = gradients[c] * inverse * weight[c] - offsets[c] * slope - rows * level;
    }
  }
  made.bias = std::move(gradients);
  return made;
}

Problem problem_of(const at::Tensor& input, int64_t groups, int64_t frames, double eps) {
  return {.element = input.scalar_type() == at::kFloat ? Element::kFloat : Element::kBfloat16,
          .x = static_cast<const char*>(input.const_data_ptr()),
          .entries = input.size(0) / frames,
          .rows = frames * input.size(2) * input.size(3),
          .channels = input.size(1),
          .groups = groups,
          .eps = eps};
}

at::Tensor as_float(const at::Tensor& t) { return t.to(at::kFloat).contiguous(); }

bool has_loops(const at::Tensor& x) {
  return x.numel() > 0 && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Both channels-last contiguous; they may be the same.
void normalise(const at::Tensor& input, const std::optional<at::Tensor>& shift,
               const at::Tensor& weight, const at::Tensor& bias, int64_t groups, int64_t frames,
               double eps, bool silu, const at::Tensor& output) {
  const auto problem = problem_of(input, groups, frames, eps);
  const auto scale = as_float(weight);
  const auto offset = as_float(bias);
  const auto shifts = shift ? as_float(*shift) : at::Tensor();
  for (int64_t b = 0; b < problem.entries; ++b) {
    const float* entry_shift =
        shift ? shifts.const_data_ptr<float>() + b * problem.channels : nullptr;
    const auto entry = statistics(problem, b, entry_shift, scale.const_data_ptr<float>(),
                                  offset.const_data_ptr<float>());
    apply(problem, b, entry, silu, static_cast<char*>(output.mutable_data_ptr()));
  }
}

at::Tensor group_norm_cpu(const at::Tensor& x, const std::optional<at::Tensor>& shift,
                          const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                          int64_t frames, double eps, bool silu) {
  if (!has_loops(x)) {
    return group_norm_composite(x, shift, weight, bias, groups, frames, eps, silu);
  }
  check_group_norm(x, shift, weight, bias, groups, frames);
  const auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
  auto output = at::empty_like(input, at::MemoryFormat::ChannelsLast);
  normalise(input, shift, weight, bias, groups, frames, eps, silu, output);
  return output;
}

at::Tensor& group_norm_cpu_(at::Tensor& x, const std::optional<at::Tensor>& shift,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                            int64_t frames, double eps, bool silu) {
  check_group_norm_(x, shift, weight, bias, groups, frames);
  if (!has_loops(x)) {
    return x.copy_(group_norm_composite(x, shift, weight, bias, groups, frames, eps, silu));
  }
  normalise(x, shift, weight, bias, groups, frames, eps, silu, x);
  return x;
}

}  // namespace

GroupNormGradients group_norm_gradients_cpu(const at::Tensor& dy, const at::Tensor& x,
                                            const std::optional<at::Tensor>& shift,
                                            const at::Tensor& weight, const at::Tensor& bias,
                                            int64_t groups, int64_t frames, double eps, bool silu) {
  const auto input = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto given = dy.contiguous(at::MemoryFormat::ChannelsLast);
  const auto problem = problem_of(input, groups, frames, eps);
  const auto scale = weight.contiguous(), offset = bias.contiguous();
  const auto shifts = shift ? shift->contiguous() : at::Tensor();
  GroupNormGradients result{at::empty_like(input, at::MemoryFormat::ChannelsLast),
                            shift ? at::empty_like(shifts) : at::Tensor(), at::zeros_like(scale),
                            at::zeros_like(offset)};
  std::vector<EntryGradient> entries(static_cast<size_t>(problem.entries));
  const int64_t size = problem.rows * problem.channels;
  at::parallel_for(0, problem.entries, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const auto* values = input.const_data_ptr<float>() + b * size;
      const auto* wanted = given.const_data_ptr<float>() + b * size;
      const auto* entry_shift =
          shift ? shifts.const_data_ptr<float>() + b * problem.channels : nullptr;
      const auto entry = statistics(problem, b, entry_shift, scale.const_data_ptr<float>(),
                                    offset.const_data_ptr<float>());
      auto& made = entries[static_cast<size_t>(b)];
      made = gradient_of_parameters(problem, entry, values, wanted, scale.const_data_ptr<float>(),
                                    silu);
      LATENTSYNC_CPU_DISPATCH(group_norm_gradient, values, wanted, entry.shift.data(),
                              entry.mean_high.data(), entry.mean_low.data(), entry.scale.data(),
                              entry.offset.data(), made.slope.data(), made.level.data(), silu,
                              problem.rows, problem.channels,
                              result.x.mutable_data_ptr<float>() + b * size);
    }
  });
  // In the order of the entries, so that the number of threads does not change the result.
  auto* weights = result.weight.mutable_data_ptr<float>();
  auto* biases = result.bias.mutable_data_ptr<float>();
  for (int64_t c = 0; c < problem.channels; ++c) {
    double of_weight = 0, of_bias = 0;
    for (int64_t b = 0; b < problem.entries; ++b) {
      const auto& made = entries[static_cast<size_t>(b)];
      of_weight += made.weight[c];
      of_bias += made.bias[c];
      if (!shift) continue;
      result.shift.mutable_data_ptr<float>()[b * problem.channels + c] =
          static_cast<float>(made.shift[c]);
    }
    weights[c] = static_cast<float>(of_weight);
    biases[c] = static_cast<float>(of_bias);
  }
  return result;
}

TORCH_LIBRARY_IMPL(latentsync, CPU, m) {
  m.impl("group_norm", group_norm_cpu);
  m.impl("group_norm_", group_norm_cpu_);
}

}  // namespace latentsync::kernels
