#pragma once

#include <glib-object.h>

/// The element's properties by number: what property_specs.cpp installs, properties.cpp sets and
/// gets.
namespace latentsync {

enum Property : guint {
  kPropertyNone,
  kModelPath,
  kSeed,
  kLipsExpression,
  kInferenceSteps,
  kScheduler,
  kAttentionMode,
  kFeatureCache,
  kResolution,
  kVae,
  kWindowFrames,
  kPrecision,
  kDevice,
  kVramBudget,
  kVramFraction,
  kMemoryMode,
  kOptimizationLevel,
  kBatchSize,
  kDiskCache,
  kDiskCacheDir,
  kDiskCacheSize,
  kAudioContext,
  kAudioLookahead,
  kNoFace,
  kFaceSelect,
  kFaceX,
  kFaceY,
  kSilence,
  kSilenceThreshold,
  kLatePolicy,
  kRenderLatency,
  kNoFallback,
  kMeasureMouths,
  kStats,
  kLastProperty,  ///< one past the last
};

/// Installs the properties, with their ranges, defaults and documentation.
void install_property_specs(GObjectClass* klass);

}  // namespace latentsync
