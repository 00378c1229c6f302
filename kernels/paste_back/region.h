#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/components.h"
#include "kernels/image/sampling.h"

#include <array>
#include <cstdint>

/// Which samples of a frame a crop can reach.
namespace latentsync::kernels {

struct SampleRange {
  int64_t begin = 0;
  int64_t end = 0;
};

struct SampleRegion {
  SampleRange columns;
  SampleRange rows;
};

/// The samples of a component within a pixel of the crop's pixel centres, as a box.
SampleRegion region_of(const Affine& crop_to_samples, int64_t crop_width, int64_t crop_height,
                       const Component& component);

/// Those of one row whose place in the crop is strictly within a pixel of its pixel centres.
SampleRange run_of(const Affine& samples_to_crop, int64_t row, int64_t crop_width,
                   int64_t crop_height, SampleRange columns);

/// One component's part in pasting a crop.
struct PasteTarget {
  Component component;
  Affine samples_to_crop;
  SampleRegion region;
  Footprint footprint;
};

/// Throws c10::Error for a map that is singular, not finite, or shrinks too much.
std::array<PasteTarget, 3> paste_targets(const Components& frame, const Affine& crop_to_frame,
                                         int64_t crop_width, int64_t crop_height);

}  // namespace latentsync::kernels
