#include "gst/engine_loader.h"
#include "gst/latentsync_private.h"

/// Properties: what they are called, may be, and where they go.
namespace latentsync {
namespace {

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
  kBatchSize,
  kAudioContext,
  kAudioLookahead,
  kNoFace,
  kFaceSelect,
  kFaceX,
  kFaceY,
  kStats,
};

template <typename Value>
constexpr int number(Value value) {
  return static_cast<int>(value);
}

GType register_enum(const char* name, const GEnumValue* values) {
  const GType type = g_enum_register_static(name, values);
  gst_type_mark_as_plugin_api(type, static_cast<GstPluginAPIFlags>(0));
  return type;
}

const GEnumValue kSchedulers[] = {{number(Scheduler::kDdim), "DDIM", "ddim"},
                                  {0, nullptr, nullptr}};
const GEnumValue kAttentionModes[] = {
    {number(Attention::kFlex), "The mouth region's keys count twice", "flex"},
    {number(Attention::kFlash), "Fused attention", "flash"},
    {number(Attention::kStandard), "Attention step by step", "standard"},
    {0, nullptr, nullptr}};
const GEnumValue kVaes[] = {{number(VaeChoice::kAuto), "What the model's folder has", "auto"},
                            {number(VaeChoice::kFull), "AutoencoderKL", "full"},
                            {number(VaeChoice::kTiny), "TAESD", "tiny"},
                            {0, nullptr, nullptr}};
const GEnumValue kPrecisions[] = {{number(Precision::kAuto), "What suits the device", "auto"},
                                  {number(Precision::kFloat32), "32 bits", "float32"},
                                  {number(Precision::kBfloat16), "Brain floats", "bfloat16"},
                                  {number(Precision::kFloat16), "16 bits", "float16"},
                                  {0, nullptr, nullptr}};
const GEnumValue kAudioContexts[] = {
    {number(AudioContext::kSliding), "At most 30 s, ending audio-lookahead after the window",
     "sliding"},
    {number(AudioContext::kWhole), "All audio is read before the first window", "whole"},
    {0, nullptr, nullptr}};
const GEnumValue kNoFaces[] = {
    {number(NoFace::kPassThrough), "Such frames leave as they came", "pass-through"},
    {number(NoFace::kError), "Such a frame is an error", "error"},
    {0, nullptr, nullptr}};
const GEnumValue kFaceSelects[] = {
    {number(FaceSelect::kLargest), "The largest face", "largest"},
    {number(FaceSelect::kCenter), "The face nearest to the picture's center", "center"},
    {number(FaceSelect::kNearest), "The face nearest to face-x, face-y", "nearest"},
    {number(FaceSelect::kAll), "Every face", "all"},
    {0, nullptr, nullptr}};

constexpr auto kWhenReady =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto kWhenPlaying = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                       GST_PARAM_MUTABLE_PLAYING);

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Element& element = *GST_LATENTSYNC(object)->element;
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
      settings.inference_steps = g_value_get_int(value);
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
      settings.resolution = g_value_get_int(value);
      break;
    case kVae:
      settings.vae = static_cast<VaeChoice>(g_value_get_enum(value));
      break;
    case kWindowFrames:
      settings.window_frames = g_value_get_int(value);
      break;
    case kPrecision:
      settings.precision = static_cast<Precision>(g_value_get_enum(value));
      break;
    case kDevice:
      settings.device = text();
      break;
    case kBatchSize:
      settings.batch_size = g_value_get_int(value);
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
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  GstLatentsync* self = GST_LATENTSYNC(object);
  const Settings settings = self->element->snapshot();
  switch (id) {
    case kModelPath:
      g_value_set_string(value, settings.model_path.c_str());
      break;
    case kSeed:
      g_value_set_int64(value, settings.seed);
      break;
    case kLipsExpression:
      g_value_set_double(value, settings.lips_expression);
      break;
    case kInferenceSteps:
      g_value_set_int(value, settings.inference_steps);
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
      g_value_set_int(value, settings.resolution);
      break;
    case kVae:
      g_value_set_enum(value, number(settings.vae));
      break;
    case kWindowFrames:
      g_value_set_int(value, settings.window_frames);
      break;
    case kPrecision:
      g_value_set_enum(value, number(settings.precision));
      break;
    case kDevice:
      g_value_set_string(value, settings.device.c_str());
      break;
    case kBatchSize:
      g_value_set_int(value, settings.batch_size);
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
    case kStats:
      g_value_take_boxed(value, statistics_structure(self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void install_text(GObjectClass* klass, guint id, const char* name, const char* nick,
                  const char* blurb, const char* value) {
  g_object_class_install_property(klass, id,
                                  g_param_spec_string(name, nick, blurb, value, kWhenReady));
}

void install_number(GObjectClass* klass, guint id, const char* name, const char* nick,
                    const char* blurb, int least, int most, int value, GParamFlags flags) {
  g_object_class_install_property(klass, id,
                                  g_param_spec_int(name, nick, blurb, least, most, value, flags));
}

void install_real(GObjectClass* klass, guint id, const char* name, const char* nick,
                  const char* blurb, double least, double most, double value) {
  g_object_class_install_property(
      klass, id, g_param_spec_double(name, nick, blurb, least, most, value, kWhenPlaying));
}

void install_choice(GObjectClass* klass, guint id, const char* name, const char* nick,
                    const char* blurb, GType type, int value, GParamFlags flags) {
  g_object_class_install_property(klass, id,
                                  g_param_spec_enum(name, nick, blurb, type, value, flags));
}

/// What is loaded, and where it runs.
void install_model_properties(GObjectClass* klass, const Settings& defaults) {
  install_text(klass, kModelPath, "model-path", "Model path",
               "Folder of the model: latentsync_unet, whisper/tiny, vae/ (since 0.1)",
               default_model_path().c_str());
  install_text(klass, kDevice, "device", "Device",
               "auto (CUDA where there is one), cpu, cuda, or cuda:N (since 0.1)",
               defaults.device.c_str());
  install_choice(klass, kPrecision, "precision", "Precision",
                 "Numbers that the networks calculate with (since 0.1)",
                 register_enum("GstLatentsyncPrecision", kPrecisions), number(defaults.precision),
                 kWhenReady);
  install_choice(klass, kVae, "vae", "VAE",
                 "Autoencoder between pixels and latents; tiny is faster and softer (since 0.1)",
                 register_enum("GstLatentsyncVae", kVaes), number(defaults.vae), kWhenReady);
  install_number(
      klass, kResolution, "resolution", "Resolution",
      "Edge of the face crop in pixels, a multiple of 64 from 128 on; 0: the model's own "
      "(since 0.1)",
      0, 1024, defaults.resolution, kWhenReady);
  install_number(klass, kWindowFrames, "window-frames", "Window frames",
                 "Frames that are denoised together (since 0.1)", 1, kMostWindowFrames,
                 defaults.window_frames, kWhenReady);
}

/// How a window is made.
void install_render_properties(GObjectClass* klass, const Settings& defaults) {
  g_object_class_install_property(
      klass, kSeed,
      g_param_spec_int64(
          "seed", "Seed",
          "Of the noise; -1: drawn anew at each start, and told in an element message "
          "(since 0.1)",
          -1, G_MAXINT64, defaults.seed, kWhenReady));
  install_real(klass, kLipsExpression, "lips-expression", "Lips expression",
               "Scale of the classifier-free guidance: how much the lips move (since 0.1)", 1, 3,
               defaults.lips_expression);
  install_number(klass, kInferenceSteps, "inference-steps", "Inference steps",
                 "Denoising steps; 0: the model's own (since 0.1)", 0, 999,
                 defaults.inference_steps, kWhenPlaying);
  install_choice(klass, kScheduler, "scheduler", "Scheduler", "Of the denoising steps (since 0.1)",
                 register_enum("GstLatentsyncScheduler", kSchedulers), number(defaults.scheduler),
                 kWhenReady);
  install_choice(klass, kAttentionMode, "attention-mode", "Attention mode",
                 "How the UNet attends; flex doubles the weight of the mouth region (since 0.1)",
                 register_enum("GstLatentsyncAttentionMode", kAttentionModes),
                 number(defaults.attention_mode), kWhenPlaying);
  install_number(klass, kFeatureCache, "feature-cache", "Feature cache",
                 "Steps between full evaluations of the UNet (DeepCache); 0 and 1: every step, -1: "
                 "the model's own (since 0.1)",
                 -1, 10, defaults.feature_cache, kWhenPlaying);
  install_number(klass, kBatchSize, "batch-size", "Batch size",
                 "Frames that go through the VAE at once; 0: automatic (since 0.1)", 0, G_MAXINT,
                 defaults.batch_size, kWhenPlaying);
}

void install_stream_properties(GObjectClass* klass, const Settings& defaults) {
  install_choice(
      klass, kAudioContext, "audio-context", "Audio context",
      "What a window hears. whole: the muxer's branch of the audio needs a queue without "
      "limits (since 0.1)",
      register_enum("GstLatentsyncAudioContext", kAudioContexts), number(defaults.audio_context),
      kWhenReady);
  g_object_class_install_property(
      klass, kAudioLookahead,
      g_param_spec_uint64("audio-lookahead", "Audio lookahead",
                          "Nanoseconds of audio after a window that it hears with sliding; part of "
                          "the latency (since 0.1)",
                          kLeastLookahead, kMostLookahead, defaults.audio_lookahead, kWhenReady));
  install_choice(klass, kNoFace, "no-face", "No face",
                 "What becomes of frames without a usable face (since 0.1)",
                 register_enum("GstLatentsyncNoFace", kNoFaces), number(defaults.no_face),
                 kWhenPlaying);
  install_choice(klass, kFaceSelect, "face-select", "Face select",
                 "Which face's mouth is edited (since 0.1)",
                 register_enum("GstLatentsyncFaceSelect", kFaceSelects),
                 number(defaults.face_select), kWhenPlaying);
  install_real(klass, kFaceX, "face-x", "Face x",
               "For face-select=nearest, in parts of the picture's width (since 0.1)", 0, 1,
               defaults.face_x);
  install_real(klass, kFaceY, "face-y", "Face y",
               "For face-select=nearest, in parts of the picture's height (since 0.1)", 0, 1,
               defaults.face_y);
  g_object_class_install_property(
      klass, kStats,
      g_param_spec_boxed("stats", "Statistics",
                         "Windows, frames, and seconds of each stage since the start (since 0.1)",
                         GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

}  // namespace

void install_properties(GObjectClass* klass) {
  klass->set_property = set_property;
  klass->get_property = get_property;
  const Settings defaults;
  install_model_properties(klass, defaults);
  install_render_properties(klass, defaults);
  install_stream_properties(klass, defaults);
}

}  // namespace latentsync
