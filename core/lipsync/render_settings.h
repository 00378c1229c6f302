#pragma once

#include "core/engine.h"

namespace latentsync::lipsync {

/// SETTINGS with every "the model's own" of INFO, and "the engine's own", filled in. Errors:
/// kInvalidArgument, naming the element's property.
RenderSettings resolve_settings(const RenderSettings& settings, const ModelInfo& info);

}  // namespace latentsync::lipsync
