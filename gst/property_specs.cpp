#include "gst/property_specs.h"

#include "gst/property_enums.h"
#include "gst/settings.h"

#include <gst/gst.h>

/// Properties: names, ranges, defaults, and what they are documented to be.
namespace latentsync {
namespace {

template <typename Value>
constexpr int number(Value value) {
  return static_cast<int>(value);
}

constexpr auto kWhenReady =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto kWhenPlaying = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                       GST_PARAM_MUTABLE_PLAYING);
constexpr auto kControlled = static_cast<GParamFlags>(kWhenPlaying | GST_PARAM_CONTROLLABLE);

void install(GObjectClass* klass, guint id, GParamSpec* spec) {
  g_object_class_install_property(klass, id, spec);
}

GParamSpec* count_spec(const char* name, const char* nick, const char* blurb, guint least,
                       guint most, int value, GParamFlags flags) {
  return g_param_spec_uint(name, nick, blurb, least, most, static_cast<guint>(value), flags);
}

/// What is loaded, and where it runs.
void install_model_properties(GObjectClass* klass, const Settings& defaults) {
  /**
   * GstLatentsync:model-path:
   *
   * The folder of the model: latentsync_unet, whisper/tiny, vae. %NULL, the default, stands for the
   * model that is installed with the plugin.
   *
   * Since: 0.1
   */
  install(
      klass, kModelPath,
      g_param_spec_string("model-path", "Model path",
                          "Folder of the model; null: the installed model", nullptr, kWhenReady));
  /**
   * GstLatentsync:device:
   *
   * Where the model runs: auto (CUDA where there is a device), cpu, cuda, or cuda:N.
   *
   * Since: 0.1
   */
  install(klass, kDevice,
          g_param_spec_string("device", "Device",
                              "Where the model runs: auto (CUDA where there is a device), cpu, "
                              "cuda, or cuda:N",
                              defaults.device.c_str(), kWhenReady));
  /**
   * GstLatentsync:precision:
   *
   * The numbers that the networks calculate with.
   *
   * Since: 0.1
   */
  install(klass, kPrecision,
          g_param_spec_enum("precision", "Precision", "Numbers that the networks calculate with",
                            precision_type(), number(defaults.precision), kWhenReady));
  /**
   * GstLatentsync:vae:
   *
   * The autoencoder between pixels and latents.
   *
   * Since: 0.1
   */
  install(klass, kVae,
          g_param_spec_enum("vae", "VAE",
                            "Autoencoder between pixels and latents; tiny is faster and softer",
                            vae_type(), number(defaults.vae), kWhenReady));
  /**
   * GstLatentsync:resolution:
   *
   * The edge of the face crop in pixels, a multiple of 64 from 128 to 1024. 0: the model's own.
   *
   * Since: 0.1
   */
  install(klass, kResolution,
          count_spec("resolution", "Resolution",
                     "Edge of the face crop in pixels, a multiple of 64 from 128 on; 0: the "
                     "model's own",
                     0, 1024, defaults.resolution, kWhenReady));
  /**
   * GstLatentsync:window-frames:
   *
   * The number of frames that are denoised together, at most what the model was trained for.
   *
   * Since: 0.1
   */
  install(
      klass, kWindowFrames,
      count_spec("window-frames", "Window frames", "Number of frames that are denoised together", 1,
                 kMostWindowFrames, defaults.window_frames, kWhenReady));
}

/// How much memory is used, and what is done where it is short.
void install_memory_properties(GObjectClass* klass, const MemorySettings& defaults) {
  /**
   * GstLatentsync:vram-budget:
   *
   * The memory that may be used, in MiB: of the GPU, on a CPU of the engine's tensors. Negative:
   * all but so much of what is free. 0: by #GstLatentsync:vram-fraction.
   *
   * Since: 0.1
   */
  install(klass, kVramBudget,
          g_param_spec_int64("vram-budget", "VRAM budget",
                             "Memory that may be used, in MiB; negative: all free memory but so "
                             "much; 0: by vram-fraction",
                             -kMostMebibytes, kMostMebibytes, defaults.vram_budget, kWhenReady));
  /**
   * GstLatentsync:vram-fraction:
   *
   * The part of the device's memory that may be used, where #GstLatentsync:vram-budget is 0. 0:
   * automatic, by #GstLatentsync:memory-mode.
   *
   * Since: 0.1
   */
  install(klass, kVramFraction,
          g_param_spec_double("vram-fraction", "VRAM fraction",
                              "Part of the device's memory that may be used, where vram-budget is "
                              "0; 0: automatic, by memory-mode",
                              0, kMostVramFraction, defaults.vram_fraction, kWhenReady));
  /**
   * GstLatentsync:memory-mode:
   *
   * How much of a GPU's free memory is used where neither #GstLatentsync:vram-budget nor
   * #GstLatentsync:vram-fraction says it, and how many frames the VAE takes at once where
   * #GstLatentsync:batch-size does not.
   *
   * Since: 0.1
   */
  install(klass, kMemoryMode,
          g_param_spec_enum("memory-mode", "Memory mode",
                            "How much of the free memory is used where vram-budget and "
                            "vram-fraction are 0, and of the VAE's frames at once",
                            memory_mode_type(), number(defaults.memory_mode), kWhenReady));
  /**
   * GstLatentsync:optimization-level:
   *
   * Which measures a window may be fitted into the memory with.
   *
   * Since: 0.1
   */
  install(klass, kOptimizationLevel,
          g_param_spec_enum("optimization-level", "Optimization level",
                            "Which measures a window may be fitted into the memory with",
                            optimization_level_type(), number(defaults.optimization_level),
                            kWhenReady));
}

/// Where finished windows are kept.
void install_cache_properties(GObjectClass* klass, const CacheSettings& defaults) {
  /**
   * GstLatentsync:disk-cache:
   *
   * Whether finished windows are kept on disk, by content, and taken from there where the same ones
   * are asked for again. They hold pictures of faces.
   *
   * Since: 0.1
   */
  install(klass, kDiskCache,
          g_param_spec_boolean("disk-cache", "Disk cache",
                               "Keep finished windows on disk, and take equal ones from there",
                               defaults.enabled, kWhenReady));
  /**
   * GstLatentsync:disk-cache-dir:
   *
   * The folder of #GstLatentsync:disk-cache, made where it is missing; several processes may share
   * it. %NULL, the default, stands for the folder latentsync in the user's cache folder.
   *
   * Since: 0.1
   */
  install(klass, kDiskCacheDir,
          g_param_spec_string("disk-cache-dir", "Disk cache folder",
                              "Folder of disk-cache; null: latentsync in the user's cache folder",
                              nullptr, kWhenReady));
  /**
   * GstLatentsync:disk-cache-size:
   *
   * The MiB that the files in #GstLatentsync:disk-cache-dir may take: beyond it the least recently
   * used ones are removed, but none that the element has used since its start. 0: 10 GiB.
   *
   * Since: 0.1
   */
  install(klass, kDiskCacheSize,
          g_param_spec_int64("disk-cache-size", "Disk cache size",
                             "MiB that the files of disk-cache may take; the least recently used "
                             "ones are removed; 0: 10 GiB",
                             0, kMostMebibytes, defaults.most_bytes >> 20, kWhenReady));
}

/// How a window is rendered.
void install_render_properties(GObjectClass* klass, const Settings& defaults) {
  /**
   * GstLatentsync:seed:
   *
   * The seed of the noise. -1: drawn at each start, and posted in the element message
   * latentsync-seed.
   *
   * Since: 0.1
   */
  install(klass, kSeed,
          g_param_spec_int64("seed", "Seed",
                             "Seed of the noise; -1: drawn at each start, and posted in an element "
                             "message",
                             -1, G_MAXINT64, defaults.seed, kWhenReady));
  /**
   * GstLatentsync:lips-expression:
   *
   * The scale of the classifier-free guidance: how much the lips move. Controllable, by window.
   *
   * Since: 0.1
   */
  install(klass, kLipsExpression,
          g_param_spec_double("lips-expression", "Lips expression",
                              "Scale of the classifier-free guidance: how much the lips move", 1, 3,
                              defaults.lips_expression, kControlled));
  /**
   * GstLatentsync:inference-steps:
   *
   * The number of denoising steps. 0: the model's own.
   *
   * Since: 0.1
   */
  install(klass, kInferenceSteps,
          count_spec("inference-steps", "Inference steps",
                     "Number of denoising steps; 0: the model's own", 0, 999,
                     defaults.inference_steps, kWhenPlaying));
  /**
   * GstLatentsync:scheduler:
   *
   * The method of the denoising steps.
   *
   * Since: 0.1
   */
  install(klass, kScheduler,
          g_param_spec_enum("scheduler", "Scheduler", "Method of the denoising steps",
                            scheduler_type(), number(defaults.scheduler), kWhenReady));
  /**
   * GstLatentsync:attention-mode:
   *
   * How the UNet attends to the picture. flex doubles the weight of the mouth region.
   *
   * Since: 0.1
   */
  install(klass, kAttentionMode,
          g_param_spec_enum("attention-mode", "Attention mode",
                            "How the UNet attends; flex doubles the weight of the mouth region",
                            attention_mode_type(), number(defaults.attention_mode), kWhenPlaying));
  /**
   * GstLatentsync:feature-cache:
   *
   * The number of steps from one full evaluation of the UNet to the next (DeepCache). 0 and 1:
   * every step is a full one, -1: the model's own number.
   *
   * Since: 0.1
   */
  install(klass, kFeatureCache,
          g_param_spec_int("feature-cache", "Feature cache",
                           "Steps from one full evaluation of the UNet to the next (DeepCache); 0 "
                           "and 1: every step, -1: the model's own",
                           -1, 10, defaults.feature_cache, kWhenPlaying));
  /**
   * GstLatentsync:batch-size:
   *
   * The number of frames that go through the VAE at once. 0: automatic.
   *
   * Since: 0.1
   */
  install(klass, kBatchSize,
          count_spec("batch-size", "Batch size",
                     "Number of frames that go through the VAE at once; 0: automatic", 0, G_MAXINT,
                     defaults.batch_size, kWhenPlaying));
}

void install_stream_properties(GObjectClass* klass, const Settings& defaults) {
  /**
   * GstLatentsync:audio-context:
   *
   * The audio that a window depends on. With whole, the queue before a muxer in another branch of
   * the audio needs to be without limits.
   *
   * Since: 0.1
   */
  install(klass, kAudioContext,
          g_param_spec_enum("audio-context", "Audio context",
                            "Audio that a window depends on; whole: a queue before a muxer in "
                            "another branch of the audio must be without limits",
                            audio_context_type(), number(defaults.audio_context), kWhenReady));
  /**
   * GstLatentsync:audio-lookahead:
   *
   * The audio after a window that it depends on with #GstLatentsync:audio-context = sliding, in
   * nanoseconds. It is a part of the latency.
   *
   * Since: 0.1
   */
  install(
      klass, kAudioLookahead,
      g_param_spec_uint64("audio-lookahead", "Audio lookahead",
                          "Audio after a window that it depends on with "
                          "audio-context=sliding, in nanoseconds; part of the latency",
                          kLeastLookahead, kMostLookahead, defaults.audio_lookahead, kWhenReady));
  /**
   * GstLatentsync:no-face:
   *
   * What becomes of frames without a usable face.
   *
   * Since: 0.1
   */
  install(klass, kNoFace,
          g_param_spec_enum("no-face", "No face", "What becomes of frames without a usable face",
                            no_face_type(), number(defaults.no_face), kWhenPlaying));
  /**
   * GstLatentsync:face-select:
   *
   * Which face's mouth is edited.
   *
   * Since: 0.1
   */
  install(klass, kFaceSelect,
          g_param_spec_enum("face-select", "Face select", "Which face's mouth is edited",
                            face_select_type(), number(defaults.face_select), kWhenPlaying));
  /**
   * GstLatentsync:face-x:
   *
   * Where the face is with #GstLatentsync:face-select = nearest, as a part of the picture's width.
   * Controllable, by window.
   *
   * Since: 0.1
   */
  install(klass, kFaceX,
          g_param_spec_double("face-x", "Face x",
                              "Where the face is with face-select=nearest, as a part of the "
                              "picture's width",
                              0, 1, defaults.face_x, kControlled));
  /**
   * GstLatentsync:face-y:
   *
   * Where the face is with #GstLatentsync:face-select = nearest, as a part of the picture's height.
   * Controllable, by window.
   *
   * Since: 0.1
   */
  install(klass, kFaceY,
          g_param_spec_double("face-y", "Face y",
                              "Where the face is with face-select=nearest, as a part of the "
                              "picture's height",
                              0, 1, defaults.face_y, kControlled));
  /**
   * GstLatentsync:measure-mouths:
   *
   * Whether the message latentsync-window says how far the mouths of the result are open. It takes
   * one more small network for each edited frame, and changes no pixel.
   *
   * Since: 0.1
   */
  install(klass, kMeasureMouths,
          g_param_spec_boolean("measure-mouths", "Measure mouths",
                               "Whether latentsync-window says how far the mouths of the result "
                               "are open",
                               defaults.measure_mouths, kWhenPlaying));
  /**
   * GstLatentsync:stats:
   *
   * The structure latentsync-stats: windows, frames-in, -out, -edited, -passed, -late and -dropped
   * (#guint64), seconds of rendering and of each stage (#gdouble), model, device and precision
   * (#gchararray), memory-planned and memory-peak (MiB, #guint64), memory-rung (#gchararray: the
   * measure that is in force, whole where there is none) and cache-hits (#guint64: the windows that
   * #GstLatentsync:disk-cache had), since the start. frames-edited and frames-passed were output;
   * with frames-dropped and what is held they are frames-in.
   *
   * Since: 0.1
   */
  install(klass, kStats,
          g_param_spec_boxed("stats", "Statistics",
                             "Windows, frames, and seconds of each stage since the start",
                             GST_TYPE_STRUCTURE,
                             static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

/// What frames without speech get.
void install_silence_properties(GObjectClass* klass, const Settings& defaults) {
  /**
   * GstLatentsync:silence:
   *
   * What frames get whose audio is below #GstLatentsync:silence-threshold for 60 ms before and
   * after them.
   *
   * Since: 0.1
   */
  install(klass, kSilence,
          g_param_spec_enum("silence", "Silence", "What frames with quiet audio get",
                            silence_type(), number(defaults.silence), kWhenPlaying));
  /**
   * GstLatentsync:silence-threshold:
   *
   * The level below which audio is silence, in dBFS: that of the root mean square of 10 ms, 0 being
   * full scale.
   *
   * Since: 0.1
   */
  install(klass, kSilenceThreshold,
          g_param_spec_double("silence-threshold", "Silence threshold",
                              "Level below which audio is silence, in dBFS", -96, 0,
                              defaults.silence_threshold, kWhenPlaying));
}

/// What a live graph gets where the engine is too slow.
void install_live_properties(GObjectClass* klass, const Settings& defaults) {
  /**
   * GstLatentsync:late-policy:
   *
   * What a live pipeline gets when a window would be late.
   *
   * Since: 0.1
   */
  install(klass, kLatePolicy,
          g_param_spec_enum("late-policy", "Late policy",
                            "What a live pipeline gets when a window would be late",
                            late_policy_type(), number(defaults.late_policy), kWhenPlaying));
  /**
   * GstLatentsync:no-fallback:
   *
   * Whether a window that cannot be rendered is an error in a live pipeline, too. Otherwise there
   * is a warning, frames pass through, and it is tried again after 1 s, and after longer pauses up
   * to 30 s.
   *
   * Since: 0.1
   */
  install(klass, kNoFallback,
          g_param_spec_boolean("no-fallback", "No fallback",
                               "A window that cannot be rendered is an error in a live pipeline, "
                               "too; otherwise its frames pass through and it is tried again",
                               defaults.no_fallback, kWhenPlaying));
  /**
   * GstLatentsync:render-latency:
   *
   * The time that a live pipeline reserves for rendering a window, in nanoseconds. It is a part of
   * the latency. 0: measured; it is raised when windows take longer, and never lowered while
   * playing.
   *
   * Since: 0.1
   */
  install(klass, kRenderLatency,
          g_param_spec_uint64("render-latency", "Render latency",
                              "Time that a live pipeline reserves for rendering a window, in "
                              "nanoseconds; part of the latency; 0: measured",
                              0, kMostRenderLatency, defaults.render_latency, kWhenReady));
}

}  // namespace

void install_property_specs(GObjectClass* klass) {
  const Settings defaults;
  install_model_properties(klass, defaults);
  install_memory_properties(klass, defaults.memory);
  install_cache_properties(klass, defaults.disk_cache);
  install_render_properties(klass, defaults);
  install_stream_properties(klass, defaults);
  install_silence_properties(klass, defaults);
  install_live_properties(klass, defaults);
}

}  // namespace latentsync
