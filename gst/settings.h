#pragma once

#include "core/engine.h"

#include <cstdint>
#include <optional>
#include <string>

/// The element's properties as values; property names and defaults are SPEC's. Nothing of GObject.
namespace latentsync {

enum class Scheduler { kDdim };
enum class NoFace { kPassThrough, kError };
enum class Silence { kRender, kRest, kPassThrough };
enum class LatePolicy { kDegrade, kPassThrough, kWait };

struct Settings {
  std::string model_path;  ///< empty: the installed model
  int64_t seed = 1247;     ///< -1: drawn at start
  double lips_expression = 1.5;
  int inference_steps = 0;
  Scheduler scheduler = Scheduler::kDdim;
  Attention attention_mode = Attention::kFlex;
  int feature_cache = -1;
  int resolution = 0;
  VaeChoice vae = VaeChoice::kAuto;
  int window_frames = 16;
  Precision precision = Precision::kAuto;
  std::string device = "auto";
  MemorySettings memory;
  int batch_size = 0;
  CacheSettings disk_cache;
  AudioContext audio_context = AudioContext::kSliding;
  uint64_t audio_lookahead = 500'000'000;  ///< ns
  NoFace no_face = NoFace::kPassThrough;
  FaceSelect face_select = FaceSelect::kLargest;
  double face_x = 0.5;
  double face_y = 0.5;
  Silence silence = Silence::kRender;
  double silence_threshold = -50;  ///< dBFS
  LatePolicy late_policy = LatePolicy::kDegrade;
  bool no_fallback = false;
  uint64_t render_latency = 0;  ///< ns; 0: measured
  bool measure_mouths = false;
};

constexpr uint64_t kLeastLookahead = 120'000'000;
constexpr uint64_t kMostLookahead = 5'000'000'000;
constexpr uint64_t kMostRenderLatency = 60'000'000'000;
constexpr int kMostWindowFrames = 24;
constexpr double kMostVramFraction = 0.95;
/// In bytes it is still an int64.
constexpr int64_t kMostMebibytes = INT64_MAX >> 20;

/// What a range alone cannot say; names the property. Nothing if all is well.
std::optional<Failure> check(const Settings& settings);

ModelSettings model_settings(const Settings& settings);

/// SEED: the drawn one, where the settings have -1.
RenderSettings render_settings(const Settings& settings, int64_t seed);

/// For frames of the size that PlanRequest has.
PlanRequest plan_request(const Settings& settings, int64_t seed);

}  // namespace latentsync
