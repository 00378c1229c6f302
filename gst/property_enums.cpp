#include "gst/property_enums.h"

#include "gst/settings.h"

#include <gst/gst.h>

namespace latentsync {
namespace {

template <typename Value>
constexpr int number(Value value) {
  return static_cast<int>(value);
}

GType register_enum(const char* name, const GEnumValue* values) {
  const GType type = g_enum_register_static(name, values);
  gst_type_mark_as_plugin_api(type, static_cast<GstPluginAPIFlags>(0));
  return type;
}

/**
 * GstLatentsyncScheduler:
 * @ddim: DDIM
 *
 * The method of the denoising steps.
 *
 * Since: 0.1
 */
const GEnumValue kSchedulers[] = {{number(Scheduler::kDdim), "DDIM", "ddim"},
                                  {0, nullptr, nullptr}};
/**
 * GstLatentsyncAttentionMode:
 * @flex: the keys of the mouth region count twice
 * @flash: fused attention
 * @standard: attention step by step
 *
 * How the UNet attends to the picture.
 *
 * Since: 0.1
 */
const GEnumValue kAttentionModes[] = {
    {number(Attention::kFlex), "The keys of the mouth region count twice", "flex"},
    {number(Attention::kFlash), "Fused attention", "flash"},
    {number(Attention::kStandard), "Attention step by step", "standard"},
    {0, nullptr, nullptr}};
/**
 * GstLatentsyncVae:
 * @auto: what the model's folder has
 * @full: AutoencoderKL
 * @tiny: TAESD: faster and softer
 *
 * The autoencoder between pixels and latents.
 *
 * Since: 0.1
 */
const GEnumValue kVaes[] = {{number(VaeChoice::kAuto), "What the model's folder has", "auto"},
                            {number(VaeChoice::kFull), "AutoencoderKL", "full"},
                            {number(VaeChoice::kTiny), "TAESD", "tiny"},
                            {0, nullptr, nullptr}};
/**
 * GstLatentsyncPrecision:
 * @auto: what suits the device
 * @float32: 32 bits
 * @bfloat16: 16 bits with the exponent of 32
 * @float16: 16 bits
 *
 * The numbers that the networks calculate with.
 *
 * Since: 0.1
 */
const GEnumValue kPrecisions[] = {
    {number(Precision::kAuto), "What suits the device", "auto"},
    {number(Precision::kFloat32), "32 bits", "float32"},
    {number(Precision::kBfloat16), "16 bits with the exponent of 32", "bfloat16"},
    {number(Precision::kFloat16), "16 bits", "float16"},
    {0, nullptr, nullptr}};
/**
 * GstLatentsyncAudioContext:
 * @sliding: at most 30 s, ending audio-lookahead after the window
 * @whole: all of the audio is read before the first window
 *
 * The audio that a window depends on.
 *
 * Since: 0.1
 */
const GEnumValue kAudioContexts[] = {
    {number(AudioContext::kSliding), "At most 30 s, ending audio-lookahead after the window",
     "sliding"},
    {number(AudioContext::kWhole), "All audio is read before the first window", "whole"},
    {0, nullptr, nullptr}};
/**
 * GstLatentsyncNoFace:
 * @pass-through: such frames are output as they arrived
 * @error: such a frame ends the stream with an error
 *
 * What becomes of frames without a usable face.
 *
 * Since: 0.1
 */
const GEnumValue kNoFaces[] = {
    {number(NoFace::kPassThrough), "Such frames are output as they arrived", "pass-through"},
    {number(NoFace::kError), "Such a frame ends the stream with an error", "error"},
    {0, nullptr, nullptr}};
/**
 * GstLatentsyncSilence:
 * @render: what the model makes of the audio
 * @rest: a mouth at rest
 * @pass-through: the frame as it came
 *
 * What quiet frames get.
 *
 * Since: 0.1
 */
const GEnumValue kSilences[] = {
    {number(Silence::kRender), "What the model makes of the audio", "render"},
    {number(Silence::kRest), "A mouth at rest", "rest"},
    {number(Silence::kPassThrough), "The frame as it came", "pass-through"},
    {0, nullptr, nullptr}};
/**
 * GstLatentsyncLatePolicy:
 * @degrade: fewer denoising steps, then it passes through
 * @pass-through: it passes through
 * @wait: its frames are output late
 *
 * What a live pipeline gets when a window would be late.
 *
 * Since: 0.1
 */
const GEnumValue kLatePolicies[] = {
    {number(LatePolicy::kDegrade), "Fewer denoising steps, then it passes through", "degrade"},
    {number(LatePolicy::kPassThrough), "It passes through", "pass-through"},
    {number(LatePolicy::kWait), "Its frames are output late", "wait"},
    {0, nullptr, nullptr}};
/**
 * GstLatentsyncFaceSelect:
 * @largest: the largest face
 * @center: the face nearest to the center of the picture
 * @nearest: the face nearest to face-x, face-y
 * @all: every face
 *
 * Which face's mouth is edited.
 *
 * Since: 0.1
 */
const GEnumValue kFaceSelects[] = {
    {number(FaceSelect::kLargest), "The largest face", "largest"},
    {number(FaceSelect::kCenter), "The face nearest to the center of the picture", "center"},
    {number(FaceSelect::kNearest), "The face nearest to face-x, face-y", "nearest"},
    {number(FaceSelect::kAll), "Every face", "all"},
    {0, nullptr, nullptr}};

/**
 * GstLatentsyncMemoryMode:
 * @conservative: 60 % of the free memory, few frames of the VAE at once
 * @balanced: 80 %, more frames
 * @aggressive: 90 %, as many frames as a window has
 *
 * How much of a GPU's free memory is the budget where neither #GstLatentsync:vram-budget nor
 * #GstLatentsync:vram-fraction says it, and how many frames the VAE takes at once where
 * #GstLatentsync:batch-size does not.
 *
 * Since: 0.1
 */
const GEnumValue kMemoryModes[] = {
    {number(MemoryMode::kConservative), "60 % of the free memory", "conservative"},
    {number(MemoryMode::kBalanced), "80 % of the free memory", "balanced"},
    {number(MemoryMode::kAggressive), "90 % of the free memory", "aggressive"},
    {0, nullptr, nullptr}};

/**
 * GstLatentsyncOptimizationLevel:
 * @conservative: only measures that change the result by no more than rounding
 * @balanced: every measure, where it is needed
 * @aggressive: every measure, and feed-forward layers always in parts
 *
 * Which measures a window may be fitted into the memory with.
 *
 * Since: 0.1
 */
const GEnumValue kOptimizationLevels[] = {
    {number(OptimizationLevel::kConservative), "Measures that change no result", "conservative"},
    {number(OptimizationLevel::kBalanced), "Every measure, where it is needed", "balanced"},
    {number(OptimizationLevel::kAggressive), "Every measure, feed-forward layers always in parts",
     "aggressive"},
    {0, nullptr, nullptr}};

}  // namespace

GType scheduler_type() {
  static const GType type = register_enum("GstLatentsyncScheduler", kSchedulers);
  return type;
}

GType attention_mode_type() {
  static const GType type = register_enum("GstLatentsyncAttentionMode", kAttentionModes);
  return type;
}

GType vae_type() {
  static const GType type = register_enum("GstLatentsyncVae", kVaes);
  return type;
}

GType precision_type() {
  static const GType type = register_enum("GstLatentsyncPrecision", kPrecisions);
  return type;
}

GType audio_context_type() {
  static const GType type = register_enum("GstLatentsyncAudioContext", kAudioContexts);
  return type;
}

GType no_face_type() {
  static const GType type = register_enum("GstLatentsyncNoFace", kNoFaces);
  return type;
}

GType silence_type() {
  static const GType type = register_enum("GstLatentsyncSilence", kSilences);
  return type;
}

GType late_policy_type() {
  static const GType type = register_enum("GstLatentsyncLatePolicy", kLatePolicies);
  return type;
}

GType face_select_type() {
  static const GType type = register_enum("GstLatentsyncFaceSelect", kFaceSelects);
  return type;
}

GType memory_mode_type() {
  static const GType type = register_enum("GstLatentsyncMemoryMode", kMemoryModes);
  return type;
}

GType optimization_level_type() {
  static const GType type = register_enum("GstLatentsyncOptimizationLevel", kOptimizationLevels);
  return type;
}

}  // namespace latentsync
