#pragma once

#include "examples/train/dataset.h"

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace latentsync::train {

/// How a clip is changed; the same for all its frames, so that target, masked and reference image
/// stay of one face, in one light.
struct Augmentation {
  // Geometry, about the crop's middle.
  double turn = 0;   ///< radians
  double scale = 1;  ///< above 1: the face becomes larger
  double right = 0;  ///< parts of the edge
  double down = 0;
  bool mirror = false;
  /// Moves of a grid of places over the crop, smooth between them: float32 [1, 2 (x, y), n, n],
  /// parts of the edge; undefined: none. A face of another shape.
  at::Tensor bend;
  /// The mouth's size, about the middle of the lips in all frames, fading out around them. A mouth
  /// that is smaller opens less, too.
  double mouth_wide = 1, mouth_high = 1;
  /// Added to the stored crops before all else: float32 [1, 3, side, side], in parts of the range;
  /// undefined: none. The skin, the beard and the light of someone else.
  at::Tensor other;
  // Colour, in this order.
  double hue = 0;  ///< radians about the grey axis
  double saturation = 1;
  double gain[3] = {1, 1, 1};  ///< white balance and exposure
  double gamma = 1;
  double light = 0;       ///< of a gradient over the crop, at its border
  double light_from = 0;  ///< radians
  double blur = 0;        ///< a Gaussian's deviation, crop pixels
};

/// How strong random changes are.
enum class Strength { kNone, kUsual, kStrong };

Augmentation draw_augmentation(Random& random, Strength strength);

/// What has to be added to ONE's stored crops to make them look like ANOTHER's on the average, but
/// for what is finer than DEVIATION (a Gaussian's, in parts of the edge): float32
/// [1, 3, side, side] on DEVICE, in parts of the range. It stays where it is while the mouth moves.
at::Tensor difference_of_faces(const Dataset& dataset, const Clip& one, const Clip& another,
                               double deviation, c10::Device device);

/// A clip's crops, changed, without their margin: float32 [T, 3, edge, edge] in [-1, 1].
at::Tensor augmented_crops(const Dataset& dataset, const Clip& clip, const Augmentation& change,
                           c10::Device device);

/// Where its lips are then: float32 [T, 4], centre x, y and half of width, height, in parts of the
/// edge.
at::Tensor augmented_lips(const Dataset& dataset, const Clip& clip, const Augmentation& change);

}  // namespace latentsync::train
