#include "gst/debug.h"
#include "gst/element.h"
#include "gst/property_specs.h"

/// Properties: where their values go.
namespace latentsync {
namespace {

template <typename Value>
constexpr int number(Value value) {
  return static_cast<int>(value);
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Element& element = element_of(object);
  if (!(spec->flags & GST_PARAM_MUTABLE_PLAYING) && GST_STATE(object) > GST_STATE_READY) {
    GST_WARNING_OBJECT(object, "%s takes effect at the next start", spec->name);
  }
  std::lock_guard lock(element.settings_mutex);
  Settings& settings = element.settings;
  const auto text = [value] {
    const char* string = g_value_get_string(value);
    return std::string(string ? string : "");
  };
  switch (id) {
    case kModelPath:
      settings.model_path = text();
      break;
    case kSeed:
      settings.seed = g_value_get_int64(value);
      break;
    case kLipsExpression:
      settings.lips_expression = g_value_get_double(value);
      break;
    case kInferenceSteps:
      settings.inference_steps = static_cast<int>(g_value_get_uint(value));
      break;
    case kScheduler:
      settings.scheduler = static_cast<Scheduler>(g_value_get_enum(value));
      break;
    case kAttentionMode:
      settings.attention_mode = static_cast<Attention>(g_value_get_enum(value));
      break;
    case kFeatureCache:
      settings.feature_cache = g_value_get_int(value);
      break;
    case kResolution:
      settings.resolution = static_cast<int>(g_value_get_uint(value));
      break;
    case kVae:
      settings.vae = static_cast<VaeChoice>(g_value_get_enum(value));
      break;
    case kWindowFrames:
      settings.window_frames = static_cast<int>(g_value_get_uint(value));
      break;
    case kPrecision:
      settings.precision = static_cast<Precision>(g_value_get_enum(value));
      break;
    case kDevice:
      settings.device = text();
      break;
    case kVramBudget:
      settings.memory.vram_budget = g_value_get_int64(value);
      break;
    case kVramFraction:
      settings.memory.vram_fraction = g_value_get_double(value);
      break;
    case kMemoryMode:
      settings.memory.memory_mode = static_cast<MemoryMode>(g_value_get_enum(value));
      break;
    case kOptimizationLevel:
      settings.memory.optimization_level = static_cast<OptimizationLevel>(g_value_get_enum(value));
      break;
    case kBatchSize:
      settings.batch_size = static_cast<int>(g_value_get_uint(value));
      break;
    case kDiskCache:
      settings.disk_cache.enabled = g_value_get_boolean(value) != FALSE;
      break;
    case kDiskCacheDir:
      settings.disk_cache.folder = text();
      break;
    case kDiskCacheSize:
      settings.disk_cache.most_bytes = g_value_get_int64(value) << 20;
      break;
    case kAudioContext:
      settings.audio_context = static_cast<AudioContext>(g_value_get_enum(value));
      break;
    case kAudioLookahead:
      settings.audio_lookahead = g_value_get_uint64(value);
      break;
    case kNoFace:
      settings.no_face = static_cast<NoFace>(g_value_get_enum(value));
      break;
    case kFaceSelect:
      settings.face_select = static_cast<FaceSelect>(g_value_get_enum(value));
      break;
    case kFaceX:
      settings.face_x = g_value_get_double(value);
      break;
    case kFaceY:
      settings.face_y = g_value_get_double(value);
      break;
    case kSilence:
      settings.silence = static_cast<Silence>(g_value_get_enum(value));
      break;
    case kSilenceThreshold:
      settings.silence_threshold = g_value_get_double(value);
      break;
    case kLatePolicy:
      settings.late_policy = static_cast<LatePolicy>(g_value_get_enum(value));
      break;
    case kNoFallback:
      settings.no_fallback = g_value_get_boolean(value);
      break;
    case kRenderLatency:
      settings.render_latency = g_value_get_uint64(value);
      break;
    case kMeasureMouths:
      settings.measure_mouths = g_value_get_boolean(value) != FALSE;
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Element& element = element_of(object);
  const Settings settings = element.snapshot();
  switch (id) {
    case kModelPath:
      g_value_set_string(value,
                         settings.model_path.empty() ? nullptr : settings.model_path.c_str());
      break;
    case kSeed:
      g_value_set_int64(value, settings.seed);
      break;
    case kLipsExpression:
      g_value_set_double(value, settings.lips_expression);
      break;
    case kInferenceSteps:
      g_value_set_uint(value, static_cast<guint>(settings.inference_steps));
      break;
    case kScheduler:
      g_value_set_enum(value, number(settings.scheduler));
      break;
    case kAttentionMode:
      g_value_set_enum(value, number(settings.attention_mode));
      break;
    case kFeatureCache:
      g_value_set_int(value, settings.feature_cache);
      break;
    case kResolution:
      g_value_set_uint(value, static_cast<guint>(settings.resolution));
      break;
    case kVae:
      g_value_set_enum(value, number(settings.vae));
      break;
    case kWindowFrames:
      g_value_set_uint(value, static_cast<guint>(settings.window_frames));
      break;
    case kPrecision:
      g_value_set_enum(value, number(settings.precision));
      break;
    case kDevice:
      g_value_set_string(value, settings.device.c_str());
      break;
    case kVramBudget:
      g_value_set_int64(value, settings.memory.vram_budget);
      break;
    case kVramFraction:
      g_value_set_double(value, settings.memory.vram_fraction);
      break;
    case kMemoryMode:
      g_value_set_enum(value, number(settings.memory.memory_mode));
      break;
    case kOptimizationLevel:
      g_value_set_enum(value, number(settings.memory.optimization_level));
      break;
    case kBatchSize:
      g_value_set_uint(value, static_cast<guint>(settings.batch_size));
      break;
    case kDiskCache:
      g_value_set_boolean(value, settings.disk_cache.enabled);
      break;
    case kDiskCacheDir:
      g_value_set_string(
          value, settings.disk_cache.folder.empty() ? nullptr : settings.disk_cache.folder.c_str());
      break;
    case kDiskCacheSize:
      g_value_set_int64(value, settings.disk_cache.most_bytes >> 20);
      break;
    case kAudioContext:
      g_value_set_enum(value, number(settings.audio_context));
      break;
    case kAudioLookahead:
      g_value_set_uint64(value, settings.audio_lookahead);
      break;
    case kNoFace:
      g_value_set_enum(value, number(settings.no_face));
      break;
    case kFaceSelect:
      g_value_set_enum(value, number(settings.face_select));
      break;
    case kFaceX:
      g_value_set_double(value, settings.face_x);
      break;
    case kFaceY:
      g_value_set_double(value, settings.face_y);
      break;
    case kSilence:
      g_value_set_enum(value, number(settings.silence));
      break;
    case kSilenceThreshold:
      g_value_set_double(value, settings.silence_threshold);
      break;
    case kLatePolicy:
      g_value_set_enum(value, number(settings.late_policy));
      break;
    case kNoFallback:
      g_value_set_boolean(value, settings.no_fallback);
      break;
    case kRenderLatency:
      g_value_set_uint64(value, settings.render_latency);
      break;
    case kMeasureMouths:
      g_value_set_boolean(value, settings.measure_mouths ? TRUE : FALSE);
      break;
    case kStats:
      g_value_take_boxed(value, element.reporter.statistics());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

}  // namespace

void install_properties(GObjectClass* klass) {
  klass->set_property = set_property;
  klass->get_property = get_property;
  install_property_specs(klass);
}

}  // namespace latentsync
