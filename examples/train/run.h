#pragma once

#include "examples/train/options.h"

namespace latentsync::train {

/// Trains as OPTIONS say, or goes on where a run with the same --out was stopped, and writes the
/// model. False: the session's time is over and there is more to do.
///
/// Below --out: state/ (checkpoints), losses.csv and losses.png, preview.png, model/.
bool run(const Options& options);

}  // namespace latentsync::train
