#include "kernels/warp_crop/warp_crop.h"

#include "kernels/image/averages.h"
#include "kernels/image/resample_loops.h"
#include "kernels/image/tensors.h"
#include "kernels/warp_crop/warp_crop_on_cuda.h"

#include <optional>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

// Components that are sampled together, ready for it.
struct Source {
  ComponentGroup group;
  Affine map;
  std::optional<Filter> filter;  // none: linear
  OwnedTile tile;
};

Source averaged_source(const Components& all, int c, const Affine& crop_to_frame, int64_t width,
                       int64_t height, Outside outside) {
  const auto& component = all.of[c];
  const auto group = lone_component(all, c);
  const auto map = to_samples(crop_to_frame, component);
  const auto blocks = blocks_of(map, component);
  const auto coarse = to_blocks(map, blocks);
  return {
      group, coarse, std::nullopt,
      average_tile(component, blocks, coarse, width, height, border_of(outside, all.color, group))};
}

Source filtered_source(const Components& all, const ComponentGroup& group,
                       const Affine& crop_to_frame, int64_t width, int64_t height,
                       Outside outside) {
  const auto map = to_samples(crop_to_frame, all.of[group.first]);
  const auto footprint = footprint_of(map);
  return {group, map, Filter(footprint),
          component_tile(all, group, map, width, height, footprint,
                         border_of(outside, all.color, group))};
}

std::vector<Source> sources_of(const Components& all, const Affine& crop_to_frame, int64_t width,
                               int64_t height, const WarpOptions& options) {
  std::vector<Source> sources;
  if (options.filter == WarpFilter::kAverages) {
    for (int c = 0; c < 3; ++c) {
      sources.push_back(averaged_source(all, c, crop_to_frame, width, height, options.outside));
    }
  } else {
    for (const auto& group : component_groups(all)) {
      sources.push_back(filtered_source(all, group, crop_to_frame, width, height, options.outside));
    }
  }
  return sources;
}

void sample_line(const Source& source, double row, int64_t count, float* out) {
  const auto& map = source.map;
  const SampleLine line{.x = map.xy * row + map.x0,
                        .y = map.yy * row + map.y0,
                        .dx = map.xx,
                        .dy = map.yx,
                        .count = count};
  const auto& tile = source.tile.view();
  if (source.filter) {
    LATENTSYNC_CPU_DISPATCH(resample_line, tile, line, source.filter->across(),
                            source.filter->down(), out);
  } else {
    LATENTSYNC_CPU_DISPATCH(interpolate_line, tile, line, out);
  }
}

void warp_crop_cpu(const Components& all, const Affine& crop_to_frame, ValueRange range,
                   const at::Tensor& crop, const WarpOptions& options) {
  const int64_t height = crop.size(1);
  const int64_t width = crop.size(2);
  const auto sources = sources_of(all, crop_to_frame, width, height, options);
  const auto [scale, offset] = from_unit(range);
  float* const out = crop.mutable_data_ptr<float>();
  at::parallel_for(0, height, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(kMostLanes * width + kLineSlack * sources.size());
    for (int64_t y = begin; y < end; ++y) {
      SteppedValues values[3] = {};
      float* line = scratch.data();
      for (const auto& source : sources) {
        const auto& group = source.group;
        sample_line(source, static_cast<double>(y), width, line);
        for (int k = 0; k < group.count; ++k) {
          values[group.first + k] = {line + group.lane[k], group.lanes};
        }
        line += group.lanes * width + kLineSlack;
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
