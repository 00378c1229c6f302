#pragma once

#include "examples/train/dataset.h"

#include <cstdint>
#include <vector>

namespace latentsync::train {

/// FRAMES of ONE's clip with a face between ONE's and ANOTHER's, saying what ONE says: each frame
/// is laid over that frame of ANOTHER whose mouth is nearest in the mouth's values, both bent so
/// that their lips are in the same places. SHARE: 0: ONE as it is, 1: all of ANOTHER; below 0: a
/// face that differs from ANOTHER's more than ONE's does. Crops (made on DEVICE) and lips are those
/// of the frames, mouth is ONE's there; sound and whole frames are left out. Frames are taken for
/// themselves: what follows from one to the next in ANOTHER may jump. Both clips have crops of one
/// size and the same landmarks. Errors: kInvalidArgument where they have not.
Clip morphed(const Clip& one, const std::vector<int64_t>& frames, const Clip& another, double share,
             c10::Device device);

}  // namespace latentsync::train
