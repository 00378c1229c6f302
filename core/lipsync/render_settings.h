#pragma once

#include "core/engine.h"
#include "core/nn/attention.h"

namespace latentsync::lipsync {

/// SETTINGS with every "the model's own" of INFO, and "the engine's own", filled in. Errors:
/// kInvalidArgument, naming the element's property.
RenderSettings resolve_settings(const RenderSettings& settings, const ModelInfo& info);

/// What a memory plan is made for: the same, but with vae_batch as the caller has it, because 0
/// lets the plan choose. Errors: likewise.
RenderSettings planned_settings(const RenderSettings& settings, const ModelInfo& info);

/// What the networks call it.
nn::AttentionMode attention_mode(Attention attention);

}  // namespace latentsync::lipsync
