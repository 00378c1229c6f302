#include "kernels/warp_crop/warp_crop.h"

#include "kernels/image/averages.h"
#include "kernels/image/resample_loops.h"
#include "kernels/image/tensors.h"
#include "kernels/warp_crop/warp_crop_on_cuda.h"

#include <array>
#include <optional>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

// One component, ready to be sampled.
struct Source {
  Affine map;
  std::optional<Filter> filter;  // none: linear
  OwnedTile tile;
};

Source source_of(const Components& all, int c, const Affine& crop_to_frame, int64_t width,
                 int64_t height, const WarpOptions& options) {
  const auto& component = all.of[c];
  const auto border = border_of(options.outside, all.color, c);
  const auto map = to_samples(crop_to_frame, component);
  if (options.filter == WarpFilter::kAverages) {
    const auto blocks = blocks_of(map, component);
    const auto coarse = to_blocks(map, blocks);
    return {coarse, std::nullopt, average_tile(component, blocks, coarse, width, height, border)};
  }
  const auto footprint = footprint_of(map);
  return {map, Filter(footprint), component_tile(component, map, width, height, footprint, border)};
}

void sample_line(const Source& source, double row, int64_t count, float* out) {
  const auto& [map, filter, tile] = source;
  const SampleLine line{.x = map.xy * row + map.x0,
                        .y = map.yy * row + map.y0,
                        .dx = map.xx,
                        .dy = map.yx,
                        .count = count};
  if (filter) {
    LATENTSYNC_CPU_DISPATCH(resample_line, tile.view(), line, filter->across(), filter->down(),
                            out);
  } else {
    LATENTSYNC_CPU_DISPATCH(interpolate_line, tile.view(), line, out);
  }
}

void warp_crop_cpu(const Components& all, const Affine& crop_to_frame, ValueRange range,
                   const at::Tensor& crop, const WarpOptions& options) {
  const int64_t height = crop.size(1);
  const int64_t width = crop.size(2);
  const std::array<Source, 3> sources{source_of(all, 0, crop_to_frame, width, height, options),
                                      source_of(all, 1, crop_to_frame, width, height, options),
                                      source_of(all, 2, crop_to_frame, width, height, options)};
  const auto [scale, offset] = from_unit(range);
  float* const out = crop.mutable_data_ptr<float>();
  at::parallel_for(0, height, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(3 * width);
    const float* const values[3] = {&scratch[0], &scratch[width], &scratch[2 * width]};
    for (int64_t y = begin; y < end; ++y) {
      for (int c = 0; c < 3; ++c) {
        sample_line(sources[c], static_cast<double>(y), width, &scratch[c * width]);
      }
      float* const rgb[3] = {out + y * width, out + (height + y) * width,
                             out + (2 * height + y) * width};
      LATENTSYNC_CPU_DISPATCH(rgb_row, all.color.to_rgb, values, scale, offset, width, rgb);
    }
  });
}

}  // namespace

void warp_crop(const ImageView& frame, const Affine& crop_to_frame, ValueRange range,
               const at::Tensor& crop, const WarpOptions& options) {
  check_image(frame);
  TORCH_CHECK(crop.dim() == 3 && crop.size(0) == 3, "warp_crop: the crop is [3, H, W]");
  check_tensor(crop, "warp_crop: the crop", frame);
  TORCH_CHECK(options.outside == Outside::kGrey || options.outside == Outside::kBlack ||
                  options.outside == Outside::kEdge,
              "warp_crop: unknown choice of what lies outside");
  TORCH_CHECK(options.filter == WarpFilter::kCubic || options.filter == WarpFilter::kAverages,
              "warp_crop: unknown filter");
  inverse(crop_to_frame);  // refuses what is singular or not finite
  const auto all = components(frame);
  if (frame.device == kSystemMemory) {
    warp_crop_cpu(all, crop_to_frame, range, crop, options);
  } else {
#ifdef LATENTSYNC_HAVE_CUDA
    warp_crop_on_cuda(all, crop_to_frame, range, crop, options);
#else
    TORCH_CHECK(false, kNoCuda);
#endif
  }
}

}  // namespace latentsync::kernels
