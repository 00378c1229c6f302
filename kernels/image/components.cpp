#include "kernels/image/components.h"

#include "kernels/image/formats.h"
#include "kernels/image/image_view.h"

#include <algorithm>
#include <cstddef>

namespace latentsync::kernels {
namespace {

struct LumaWeights {
  double red, blue;
};

LumaWeights luma_weights(ColorMatrix matrix) {
  switch (matrix) {
    case ColorMatrix::kBt601:
      return {0.299, 0.114};
    case ColorMatrix::kBt709:
      return {0.2126, 0.0722};
    case ColorMatrix::kBt2020:
      break;
  }
  return {0.2627, 0.0593};
}

// Code value = scale * value + zero, value in [0, 1] (luma, R, G, B) or [-0.5, 0.5] (chroma).
struct Quantisation {
  double luma_scale, luma_zero, chroma_scale, chroma_zero;
};

Quantisation quantisation(ColorRange range, int bits) {
  const double unit = 1 << (bits - 8);
  const double most = (1 << bits) - 1;
  return range == ColorRange::kFull ? Quantisation{most, 0, most, 128 * unit}
                                    : Quantisation{219 * unit, 16 * unit, 224 * unit, 128 * unit};
}

void set_row(float (&row)[4], double a, double b, double c, double added) {
  row[0] = static_cast<float>(a);
  row[1] = static_cast<float>(b);
  row[2] = static_cast<float>(c);
  row[3] = static_cast<float>(added);
}

ColorTransform rgb_transform(const Quantisation& q) {
  ColorTransform color{};
  for (int c = 0; c < 3; ++c) {
    color.to_rgb[c][c] = static_cast<float>(1 / q.luma_scale);
    color.to_rgb[c][3] = static_cast<float>(-q.luma_zero / q.luma_scale);
    color.from_rgb[c][c] = static_cast<float>(q.luma_scale);
    color.from_rgb[c][3] = static_cast<float>(q.luma_zero);
  }
  return color;
}

ColorTransform yuv_transform(const Quantisation& q, ColorMatrix matrix) {
  const auto [red, blue] = luma_weights(matrix);
  const double green = 1 - red - blue;
  const double y = 1 / q.luma_scale;
  const double to_red = 2 * (1 - red) / q.chroma_scale;
  const double to_blue = 2 * (1 - blue) / q.chroma_scale;
  const auto to_rgb = [&](float(&row)[4], double cb, double cr) {
    set_row(row, y, cb, cr, -q.luma_zero * y - q.chroma_zero * (cb + cr));
  };
  ColorTransform color{};
  to_rgb(color.to_rgb[0], 0, to_red);
  to_rgb(color.to_rgb[1], -to_blue * blue / green, -to_red * red / green);
  to_rgb(color.to_rgb[2], to_blue, 0);
  const double cb = q.chroma_scale / (2 * (1 - blue));
  const double cr = q.chroma_scale / (2 * (1 - red));
  set_row(color.from_rgb[0], q.luma_scale * red, q.luma_scale * green, q.luma_scale * blue,
          q.luma_zero);
  set_row(color.from_rgb[1], -cb * red, -cb * green, cb * (1 - blue), q.chroma_zero);
  set_row(color.from_rgb[2], cr * (1 - red), -cr * green, -cr * blue, q.chroma_zero);
  return color;
}

bool same_points(const Component& a, const Component& b) {
  return a.width == b.width && a.height == b.height && a.spacing_x == b.spacing_x &&
         a.spacing_y == b.spacing_y && a.offset_x == b.offset_x && a.offset_y == b.offset_y;
}

ComponentGroup group_of(const Components& all, int first, int count) {
  ComponentGroup group{.first = first, .count = count, .lanes = count, .lane = {0, 1, 2}};
  const Component* begin = &all.of[first];
  group.packed = begin->step >= count && std::all_of(begin, begin + count, [&](auto& component) {
                   return component.data == begin->data;
                 });
  if (!group.packed) return group;
  const auto* lowest =
      std::min_element(begin, begin + count, [](auto& a, auto& b) { return a.first < b.first; });
  group.begin = lowest->first;
  if (count == 3) {  // pixels, from their first byte on: that may be alpha
    group.lanes = begin->step;
    group.begin = 0;
  }
  group.spacing = begin->step / group.lanes;
  for (int k = 0; k < count; ++k) {
    group.lane[k] = (begin[k].first - group.begin) / group.spacing;
  }
  return group;
}

// One field's rows of a component. Chroma that lies between the luma rows of a frame lies, as
// MPEG-2 and H.264 define it for fields, a quarter below the top field's and above the bottom
// field's luma row: that is where it lies in the frame. Chroma on a luma row lies on a row of its
// own field.
void keep_field(Component& component, Field field, ChromaSiting siting) {
  const int odd = field == Field::kBottom ? 1 : 0;
  const bool on_luma = component.spacing_y == 1 || siting == ChromaSiting::kTopLeft;
  component.offset_y += odd * (on_luma ? 1 : component.spacing_y);
  component.data += odd * component.stride;
  component.stride *= 2;
  component.spacing_y *= 2;
  component.height = (component.height + 1 - odd) / 2;
}

}  // namespace

std::vector<ComponentGroup> component_groups(const Components& all) {
  if (same_points(all.of[0], all.of[1])) return {group_of(all, 0, 3)};
  return {group_of(all, 0, 1), group_of(all, 1, 2)};
}

ComponentGroup lone_component(const Components& all, int c) { return group_of(all, c, 1); }

Components components(const ImageView& image) {
  const auto& layout = format_layout(image.format);
  const int bits = bits_of(layout.type);
  const auto q = quantisation(image.range, bits);
  Components all{};
  all.color = layout.rgb ? rgb_transform(q) : yuv_transform(q, image.matrix);
  all.color.most = static_cast<float>((1 << bits) - 1);
  for (std::size_t c = 0; c < layout.components.size(); ++c) {
    const auto& from = layout.components[c];
    const auto& plane = image.planes[from.plane];
    const int shift_x = c == 0 ? 0 : layout.chroma_shift_x;
    const int shift_y = c == 0 ? 0 : layout.chroma_shift_y;
    const bool centred_x = shift_x != 0 && image.siting == ChromaSiting::kCenter;
    const bool centred_y = shift_y != 0 && image.siting != ChromaSiting::kTopLeft;
    all.of[c] = {.data = plane.data,
                 .stride = plane.stride,
                 .first = from.offset,
                 .step = from.step,
                 .type = layout.type,
                 .width = (image.width + (1 << shift_x) - 1) >> shift_x,
                 .height = (image.height + (1 << shift_y) - 1) >> shift_y,
                 .spacing_x = static_cast<double>(1 << shift_x),
                 .spacing_y = static_cast<double>(1 << shift_y),
                 .offset_x = centred_x ? 0.5 : 0.0,
                 .offset_y = centred_y ? 0.5 : 0.0};
    if (image.field != Field::kAll) keep_field(all.of[c], image.field, image.siting);
  }
  return all;
}

}  // namespace latentsync::kernels
