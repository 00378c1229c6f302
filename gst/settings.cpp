#include "gst/settings.h"

#include "gst/render/engine_loader.h"

namespace latentsync {

std::optional<Failure> check(const Settings& settings) {
  const int resolution = settings.resolution;
  if (resolution != 0 && (resolution < 128 || resolution > 1024 || resolution % 64 != 0)) {
    return Failure{ErrorCode::kInvalidArgument,
                   "resolution=" + std::to_string(resolution) +
                       " is not possible: set 0 for the model's own, or a multiple of 64 from 128 "
                       "to 1024."};
  }
  return std::nullopt;
}

ModelSettings model_settings(const Settings& settings) {
  ModelSettings model;
  model.folder = settings.model_path.empty() ? default_model_path() : settings.model_path;
  model.device = settings.device;
  model.precision = settings.precision;
  model.vae = settings.vae;
  return model;
}

RenderSettings render_settings(const Settings& settings, int64_t seed) {
  RenderSettings render;
  render.seed = seed;
  render.guidance_scale = settings.lips_expression;
  render.inference_steps = settings.inference_steps;
  render.attention = settings.attention_mode;
  render.feature_cache = settings.feature_cache;
  render.resolution = settings.resolution;
  render.vae_batch = settings.batch_size;
  render.face_select = settings.face_select;
  render.nearest_x = settings.face_x;
  render.nearest_y = settings.face_y;
  render.measure_mouths = settings.measure_mouths;
  return render;
}

PlanRequest plan_request(const Settings& settings, int64_t seed) {
  PlanRequest request;
  request.model = model_settings(settings);
  request.settings = render_settings(settings, seed);
  request.memory = settings.memory;
  request.window_frames = settings.window_frames;
  return request;
}

}  // namespace latentsync
