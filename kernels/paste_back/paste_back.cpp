#include "kernels/paste_back/paste_back.h"

#include "kernels/image/resample_loops.h"
#include "kernels/image/tensors.h"
#include "kernels/paste_back/paste_back_on_cuda.h"
#include "kernels/paste_back/region.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

namespace latentsync::kernels {
namespace {

// The crop as the code values of a group's components, its edge repeated as far as the filter
// reads.
OwnedTile face_tile(const at::Tensor& face, const Linear& unit, const ColorTransform& color,
                    const ComponentGroup& group, const Footprint& footprint) {
  const int64_t height = face.size(1);
  const int64_t width = face.size(2);
  const int lanes = group.count;
  const auto margin_of = [](double reach) { return static_cast<int32_t>(2 * reach) + 4; };
  const int32_t margin_x = margin_of(footprint.x);
  const int32_t margin_y = margin_of(footprint.y);
  int32_t rows[3] = {};
  for (int k = 0; k < lanes; ++k) rows[k] = group.first + k;
  OwnedTile tile(-margin_x, -margin_y, static_cast<int32_t>(width) + 2 * margin_x,
                 static_cast<int32_t>(height) + 2 * margin_y, lanes);
  const float* in = face.const_data_ptr<float>();
  at::parallel_for(0, tile.view().height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t y = std::clamp<int64_t>(r - margin_y, 0, height - 1);
      const float* const rgb[3] = {in + y * width, in + (height + y) * width,
                                   in + (2 * height + y) * width};
      float* row = tile.row(static_cast<int32_t>(r));
      float* middle = row + static_cast<int64_t>(margin_x) * lanes;
      float* behind = middle + width * lanes;
      LATENTSYNC_CPU_DISPATCH(code_row, color.from_rgb, rgb, unit.scale, unit.offset, width, rows,
                              lanes, middle);
      fill_samples(row, margin_x, lanes, middle);
      fill_samples(behind, margin_x, lanes, behind - lanes);
    }
  });
  tile.finish();
  return tile;
}

OwnedTile mask_tile(const at::Tensor& mask) {
  constexpr int32_t kMargin =
      3;  // of zeros: what linear interpolation reads, and room for place_taps
  const int64_t height = mask.size(0);
  const int64_t width = mask.size(1);
  OwnedTile tile(-kMargin, -kMargin, static_cast<int32_t>(width) + 2 * kMargin,
                 static_cast<int32_t>(height) + 2 * kMargin, 1);
  const float* in = mask.const_data_ptr<float>();
  for (int32_t r = 0; r < tile.view().height; ++r) {
    float* row = tile.row(r);
    std::fill_n(row, tile.view().width, 0.0F);
    if (r < kMargin || r >= height + kMargin) continue;
    // In this order a value that is not a number becomes 0.
    std::transform(in + (r - kMargin) * width, in + (r - kMargin + 1) * width, row + kMargin,
                   [](float w) { return w > 0 ? std::min(w, 1.0F) : 0.0F; });
  }
  tile.finish();
  return tile;
}

// The samples of a group's components from one of a row on.
BlendTarget blend_target(const Components& all, const ComponentGroup& group, int64_t row,
                         int64_t first) {
  const auto& component = all.of[group.first];
  BlendTarget target{.rows = {},
                     .first = {},
                     .step = component.step,
                     .type = component.type,
                     .lanes = group.count,
                     .most = all.color.most};
  for (int k = 0; k < group.count; ++k) {
    const auto& of = all.of[group.first + k];
    target.rows[k] = of.data + row * of.stride;
    target.first[k] = of.first + first * of.step;
  }
  return target;
}

// One group of components of a crop, ready to be written: its values, the filter between them and
// the frame's samples, and a line of each for every part that the rows are written in.
struct GroupPaste {
  ComponentGroup group;
  SampleRegion region;
  Filter filter;
  OwnedTile face;
  int64_t parts;
  int64_t line;  // floats of a line of values
  std::vector<float> values;
  std::vector<float> weights;
};

GroupPaste prepare_group(const at::Tensor& face, ValueRange range, const Components& all,
                         const ComponentGroup& group, const PasteTarget& target) {
  const auto width = static_cast<size_t>(target.component.width);
  const size_t line = width * static_cast<size_t>(group.count) + kLineSlack;
  const auto parts = static_cast<size_t>(at::get_num_threads());
  return {.group = group,
          .region = target.region,
          .filter = Filter(target.footprint),
          .face = face_tile(face, to_unit(range), all.color, group, target.footprint),
          .parts = static_cast<int64_t>(parts),
          .line = static_cast<int64_t>(line),
          .values = std::vector<float>(parts * line),
          .weights = std::vector<float>(parts * width)};
}

void write_group(GroupPaste& paste, const Tile& mask, const Components& all, const Affine& map,
                 int64_t crop_width, int64_t crop_height) {
  const auto& region = paste.region;
  const int64_t width = all.of[paste.group.first].width;
  const int64_t rows = region.rows.end - region.rows.begin;
  at::parallel_for(0, paste.parts, 1, [&](int64_t first_part, int64_t end_part) {
    for (int64_t part = first_part; part < end_part; ++part) {
      float* const values = paste.values.data() + part * paste.line;
      float* const weights = paste.weights.data() + part * width;
      const int64_t end = region.rows.begin + rows * (part + 1) / paste.parts;
      for (int64_t row = region.rows.begin + rows * part / paste.parts; row < end; ++row) {
        const auto run = run_of(map, row, crop_width, crop_height, region.columns);
        if (run.begin >= run.end) continue;
        const auto x = static_cast<double>(run.begin);
        const auto y = static_cast<double>(row);
        const SampleLine line{.x = map.xx * x + map.xy * y + map.x0,
                              .y = map.yx * x + map.yy * y + map.y0,
                              .dx = map.xx,
                              .dy = map.yx,
                              .count = run.end - run.begin};
        LATENTSYNC_CPU_DISPATCH(interpolate_line, mask, line, weights);
        LATENTSYNC_CPU_DISPATCH(resample_line, paste.face.view(), line, paste.filter.across(),
                                paste.filter.down(), values);
        const auto samples = blend_target(all, paste.group, row, run.begin);
        LATENTSYNC_CPU_DISPATCH(blend_row, samples, line.count, values, weights);
      }
    }
  });
}

}  // namespace

struct PreparedPaste::Parts {
  Affine map;
  PixelFormat format;
  int32_t frame_width, frame_height;
  Field field;
  int device;
  int64_t width, height;  // of the crop

  // System memory.
  std::vector<GroupPaste> groups;
  std::optional<OwnedTile> mask_values;

  // CUDA.
  ValueRange range;
  at::Tensor face, mask;
};

PreparedPaste::PreparedPaste(const at::Tensor& face, ValueRange range, const at::Tensor& mask,
                             const Affine& crop_to_frame, const ImageView& frame) {
  check_image(frame);
  TORCH_CHECK(face.dim() == 3 && face.size(0) == 3, "paste_back: the face is [3, H, W]");
  check_tensor(face, "paste_back: the face", frame);
  check_tensor(mask, "paste_back: the mask", frame);
  TORCH_CHECK(mask.sizes() == face.sizes().slice(1), "paste_back: the mask is [", face.size(1),
              ", ", face.size(2), "], as the face");
  parts_ = std::make_unique<Parts>(Parts{.map = crop_to_frame,
                                         .format = frame.format,
                                         .frame_width = frame.width,
                                         .frame_height = frame.height,
                                         .field = frame.field,
                                         .device = frame.device,
                                         .width = face.size(2),
                                         .height = face.size(1),
                                         .range = range});
  const auto all = components(frame);
  const auto targets = paste_targets(all, crop_to_frame, face.size(2), face.size(1));
  if (frame.device != kSystemMemory) {
    parts_->face = face;
    parts_->mask = mask;
    return;
  }
  parts_->mask_values = mask_tile(mask);
  for (const auto& group : component_groups(all)) {
    const auto& target = targets[group.first];
    if (target.region.rows.begin >= target.region.rows.end) continue;
    parts_->groups.push_back(prepare_group(face, range, all, group, target));
  }
}

PreparedPaste::PreparedPaste(PreparedPaste&&) noexcept = default;
PreparedPaste::~PreparedPaste() = default;

void PreparedPaste::write(const ImageView& frame) {
  auto& parts = *parts_;
  check_image(frame);
  TORCH_CHECK(frame.format == parts.format && frame.width == parts.frame_width &&
                  frame.height == parts.frame_height && frame.device == parts.device,
              "paste_back: another frame than the one that was prepared for");
  auto view = frame;
  view.field = parts.field;
  const auto all = components(view);
  const auto targets = paste_targets(all, parts.map, parts.width, parts.height);
  if (frame.device == kSystemMemory) {
    for (auto& group : parts.groups) {
      write_group(group, parts.mask_values->view(), all, targets[group.group.first].samples_to_crop,
                  parts.width, parts.height);
    }
  } else {
#ifdef LATENTSYNC_HAVE_CUDA
    paste_back_on_cuda(parts.face, parts.range, parts.mask, targets, all.color);
#else
    TORCH_CHECK(false, kNoCuda);
#endif
  }
}

void paste_back(const at::Tensor& face, ValueRange range, const at::Tensor& mask,
                const Affine& crop_to_frame, const ImageView& frame) {
  PreparedPaste(face, range, mask, crop_to_frame, frame).write(frame);
}

}  // namespace latentsync::kernels
