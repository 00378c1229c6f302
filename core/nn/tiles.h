#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::nn {

class GroupMoments;
class ResnetBlock;

/// A part of a network over pictures, [N, C, H, W] -> [N, C', H', W'], that is computed tile by
/// tile: layers whose reach is a few pixels, and resnets, whose group norms need every pixel of a
/// picture before the first can be normalised.
///
/// All sizes are counted in cells: the pixels of the coarsest of the three tensors below.
struct TiledPart {
  std::function<at::Tensor(at::Tensor)> before;  ///< the resnets; none: the identity
  std::vector<ResnetBlock*> resnets;
  std::function<at::Tensor(at::Tensor)> after;  ///< the resnets; none: the identity
  int64_t input_scale = 1;   ///< pixels of a cell along each side: of the part's input,
  int64_t inner_scale = 1;   ///< of the resnets,
  int64_t output_scale = 1;  ///< of the part's output
  int64_t reach = 0;  ///< cells around a tile that its output depends on, norms aside; or more
};

/// The part of X, in tiles of EDGE cells. Equal to what the layers give for all of X at once but
/// for rounding: the norms' statistics are those of the whole pictures. They are gathered norm by
/// norm, in a pass over all tiles each, that computes the layers before the norm once more; so a
/// part of k resnets costs up to k + 1 times its layers, and holds its input, its output and one
/// tile. Not differentiable.
at::Tensor run_in_tiles(const at::Tensor& x, const TiledPart& part, int64_t edge);

}  // namespace latentsync::nn
