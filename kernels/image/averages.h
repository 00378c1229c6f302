#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/component_maps.h"
#include "kernels/image/components.h"
#include "kernels/image/sampling.h"

#include <cstdint>

/// A component made smaller by averaging whole samples, for WarpFilter::kAverages.
namespace latentsync::kernels {

/// component_tile() of the averages of blocks, for linear interpolation at the points of a map that
/// leads to blocks.
OwnedTile average_tile(const Component& component, const Blocks& blocks, const Affine& map,
                       int64_t width, int64_t height, const Border& border);

}  // namespace latentsync::kernels
