#pragma once

#include "core/error.h"
#include "core/memory_plan.h"
#include "kernels/image/image_view.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// The engine as its callers see it. Nothing of LibTorch is needed to use this header: the plugin
/// opens the engine library when it is first needed, calls kEngineEntry and goes through the
/// abstract classes below. No function of theirs throws; errors are values. All times are
/// nanoseconds, all audio is mono, 16 kHz, full scale 1.
namespace latentsync {

/// An error as a value: Error's code, its sentence for people, and numbers for the log.
struct Failure {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string detail;
};

/// A value, or why there is none.
template <typename T>
class Result {
 public:
  Result(T value) : content_(std::move(value)) {}
  Result(Failure failure) : content_(std::move(failure)) {}

  explicit operator bool() const noexcept { return content_.index() == 0; }
  T& operator*() { return std::get<0>(content_); }
  const T& operator*() const { return std::get<0>(content_); }
  T* operator->() { return &std::get<0>(content_); }
  const T* operator->() const { return &std::get<0>(content_); }
  const Failure& failure() const { return std::get<1>(content_); }

 private:
  std::variant<T, Failure> content_;
};

enum class Precision { kAuto, kFloat32, kBfloat16, kFloat16 };
enum class VaeChoice { kAuto, kFull, kTiny };
enum class Attention { kFlex, kFlash, kStandard };
enum class FaceSelect { kLargest, kCenter, kNearest, kAll };
enum class AudioContext { kSliding, kWhole };

/// What is loaded. Models that are equal in all of it exist once in a process, for as long as
/// somebody holds them.
struct ModelSettings {
  std::string folder;           ///< of the model (docs/models.md)
  std::string face_folder;      ///< of the face networks; empty: models/face beside the engine, or
                                ///< where it was installed
  std::string device = "auto";  ///< auto (CUDA where there is one), cpu, cuda, cuda:N
  Precision precision = Precision::kAuto;
  VaeChoice vae = VaeChoice::kAuto;

  bool operator==(const ModelSettings&) const = default;
};

/// What a loaded model is, after every "auto" and "the model's own" has been decided.
struct ModelInfo {
  std::string name;       ///< from config.json; else the folder's
  std::string device;     ///< cpu, cuda:0
  std::string precision;  ///< float32, bfloat16, float16
  std::string vae;        ///< full, tiny
  int64_t resolution = 0;
  int64_t inference_steps = 0;
  int64_t feature_cache = 0;
  int64_t most_window_frames = 0;  ///< what the motion modules were trained for
  int64_t weight_bytes = 0;
  std::string version;  ///< config.json's, else the checkpoint's training step; may be empty
  std::vector<std::string> warnings;  ///< sentences: what of the folder or the settings is amiss
};

/// How a window is made. Zeros and -1 stand for the model's own value, as the element's properties
/// of the same names have it.
struct RenderSettings {
  int64_t seed = 1247;  ///< 0 and more; the caller draws a random one
  double guidance_scale = 1.5;
  int64_t inference_steps = 0;
  Attention attention = Attention::kFlex;
  int64_t feature_cache = -1;
  int64_t resolution = 0;
  int64_t vae_batch = 0;  ///< frames at once; 0: the engine's own choice
  FaceSelect face_select = FaceSelect::kLargest;
  double nearest_x = 0.5;       ///< for kNearest, in parts of the picture's width
  double nearest_y = 0.5;       ///< of its height
  bool measure_mouths = false;  ///< FrameResult::mouth_opening is wanted: one more network a frame

  bool operator==(const RenderSettings&) const = default;
};

/// What became of a frame.
enum class FrameOutcome {
  kEdited,
  kNoFace,       ///< none was found
  kImplausible,  ///< too small, too oddly shaped or too uncertain (core/face/plausibility.h)
};

struct FaceBox {
  double left = 0;  ///< pixels
  double top = 0;
  double width = 0;
  double height = 0;
};

struct FrameResult {
  FrameOutcome outcome = FrameOutcome::kNoFace;
  FaceBox face;           ///< of the largest edited face; of the one that was refused, if any
  double confidence = 0;  ///< 0 to 1 that it is a face
  double weight = 0;      ///< of the edit, 0 to 1
  int faces = 0;          ///< edited ones
  /// How far the mouth of the largest edited face is open in the result: the distance of the inner
  /// lips in parts of the mouth's width. None where it was not asked for, or nothing was edited.
  std::optional<double> mouth_opening = {};
};

/// Wall-clock seconds of a window's stages.
struct StageSeconds {
  double face = 0;     ///< detection, landmarks, alignment, crops
  double audio = 0;    ///< features
  double encode = 0;   ///< VAE
  double denoise = 0;  ///< UNet
  double decode = 0;   ///< VAE
  double paste = 0;
};

struct WindowResult {
  std::vector<FrameResult> frames;
  StageSeconds seconds;
  std::string rung;           ///< that it was rendered with (core/memory_plan.h)
  int64_t memory_peak = 0;    ///< bytes: the most that the device (on a CPU: the engine's tensors)
                              ///< held meanwhile, weights included
  bool cached = false;        ///< nothing was denoised: the result cache had the window
  std::string cache_warning;  ///< a sentence where the cache could not be read or written; the
                              ///< window was rendered all the same
};

/// How far a window is.
struct RenderProgress {
  double part = 0;         ///< of its work, 0 to 1, never less than before
  const char* stage = "";  ///< that has got so far: "face", "encode", "denoise", "decode", "paste"
  int64_t step = 0;        ///< of the stage: denoising steps, or batches of the VAE, that are done
  int64_t steps = 0;       ///< of how many; 0 where a stage has none
};
/// Called from the thread that renders, some ten times a window; must not throw.
using RenderProgressCallback = std::function<void(const RenderProgress&)>;

/// Frames that are denoised together, in order.
class WindowFrames {
 public:
  virtual ~WindowFrames() = default;
  virtual size_t count() const = 0;
  /// The frame's time on the audio's timeline.
  virtual int64_t time_ns(size_t frame) const = 0;
  /// To be read only; valid until writable(frame) or the end of render().
  virtual Result<kernels::ImageView> readable(size_t frame) = 0;
  /// Asked once for each frame that is edited, after the last readable(), when its new pixels are
  /// ready to be written. The same size, format and contents.
  virtual Result<kernels::ImageView> writable(size_t frame) = 0;
  /// For each frame in a CUDA device's memory that was written to, before render() returns: its new
  /// pixels are there once EVENT has passed (a CUevent of the device's primary context, valid
  /// during the call: a stream that needs it later is made to wait for it). Reading is over when
  /// render() returns.
  virtual void written(size_t frame, void* event) noexcept { (void)frame, (void)event; }
};

struct Window {
  WindowFrames* frames = nullptr;
  /// The frames do not continue those of the window before: tracks and smoothing begin anew.
  bool discontinuity = false;
  /// AudioContext::kSliding: samples from audio_start on, what Session::needed_audio() says or as
  /// much of it as there is. Ignored with kWhole.
  std::span<const float> audio;
  int64_t audio_start = 0;
  /// When the result is needed, on std::chrono::steady_clock: sessions that share a device take
  /// turns by it. None: whenever nobody is in more of a hurry.
  std::optional<int64_t> deadline_ns;
  /// One for each frame, or empty: true has the mouth follow the model's own features of silence in
  /// place of the audio's.
  std::vector<bool> at_rest = {};
};

/// Samples [begin, end) of the audio's timeline; sample i lies at i / 16000 s.
struct AudioRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// A stream that is being rendered: tracks, smoothing, whole audio. For one thread at a time.
/// Destroying it gives back all that is not the model's.
class Session {
 public:
  virtual ~Session() = default;

  /// kSliding: the samples that a window at these times (ascending, at least one) depends on; it
  /// may be negative at the beginning, where silence stands for what is missing.
  virtual AudioRange needed_audio(std::span<const int64_t> times_ns) const noexcept = 0;

  /// kWhole: all audio from sample 0 on, in order, then finish_audio() before the first render().
  virtual std::optional<Failure> append_audio(std::span<const float> samples) noexcept = 0;
  virtual std::optional<Failure> finish_audio() noexcept = 0;

  /// Edits the window's frames in place. Where this fails or is stopped (kCancelled; STOP is looked
  /// at between stages and before each layer of a network) no frame has been written to, unless
  /// writable() itself failed, and the session's state is that of before the call.
  virtual Result<WindowResult> render(const Window& window, const RenderSettings& settings,
                                      std::stop_token stop = {},
                                      const RenderProgressCallback& progress = {}) noexcept = 0;

  /// Does ahead of time what of a window does not depend on how the one before looks: faces, crops,
  /// audio features, the autoencoder's encoding. May be called by a second thread while render()
  /// runs, for the window that follows; render() of that window then takes the result, if its
  /// frames (times, places in memory), audio, discontinuity and settings are the same. The
  /// result is dropped by the render() of another window, by another prepare(), and where the
  /// window before fails: a failure here, too, costs time only. Frames are only read.
  virtual std::optional<Failure> prepare(const Window& window, const RenderSettings& settings,
                                         std::stop_token stop = {}) noexcept = 0;

  /// The plan that is in force; another one after a render() that had to lower its rung, or read
  /// the device's free memory again. From any thread.
  virtual MemoryPlan memory_plan() const = 0;

  /// At the end of the stream: waits until the cache's files are written. Empty, or a sentence
  /// about what could not be written since the last window's WindowResult::cache_warning.
  virtual std::string finish_cache() noexcept { return {}; }
};

/// Where finished windows are kept, by content (core/cache).
struct CacheSettings {
  bool enabled = false;
  std::string folder;      ///< made where it is missing; empty: latentsync in the user's cache
                           ///< folder (XDG)
  int64_t most_bytes = 0;  ///< that its files take; the least recently used go; 0: 10 GiB

  bool operator==(const CacheSettings&) const = default;
};

/// What a plan is made for.
struct PlanRequest {
  ModelSettings model;
  RenderSettings settings;
  MemorySettings memory;
  int64_t window_frames = 16;
  int64_t width = 1920;  ///< of the frames, pixels
  int64_t height = 1080;
  int64_t frame_bytes = 0;  ///< of frames in the device's memory that the caller holds, altogether
};

/// Networks in memory; may be used by several threads, one window at a time.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const noexcept = 0;

  /// The settings with every "the model's own" filled in. Errors: kInvalidArgument, naming the
  /// property, for values that this model cannot do.
  virtual Result<RenderSettings> resolve(const RenderSettings& settings) const noexcept = 0;

  /// lookahead: how much audio after a window's last frame kSliding looks at, at least 120 ms.
  /// REQUEST's memory is what this session keeps to beside the others of the device. Errors:
  /// kOutOfMemory where no rung fits, with what is needed, what is free and what would fit. A cache
  /// that cannot be used is a warning of the first window.
  virtual Result<std::unique_ptr<Session>> open(AudioContext context, int64_t lookahead_ns,
                                                const PlanRequest& request = {},
                                                const CacheSettings& cache = {}) noexcept = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;

  /// The plan for a model, from its files' headers and a dry run: nothing is loaded. A CUDA device
  /// that is not there is planned for where the budget is a number of MiB. A plan that nothing fits
  /// into is no error. Errors: those of load() about settings and files.
  virtual Result<MemoryPlan> plan(const PlanRequest& request) noexcept = 0;

  /// Loads a model, or returns the one that is loaded already. PROGRESS: 0 to 1 and what is being
  /// loaded, from the calling thread. STOP: looked at between tensors; then kCancelled.
  virtual Result<std::shared_ptr<Model>> load(
      const ModelSettings& settings, std::stop_token stop = {},
      const std::function<void(double, const char*)>& progress = {}) noexcept = 0;
};

/// The engine library's one C symbol, of type EngineEntry: the engine of this process, or null
/// where VERSION is not the library's own kEngineVersion. Raise it with every change of this
/// header.
inline constexpr char kEngineEntry[] = "latentsync_engine";
inline constexpr int kEngineVersion = 5;
using EngineEntry = Engine* (*)(int version);

}  // namespace latentsync
