#include "core/lipsync/session.h"

#include "core/device/frame_events.h"
#include "core/lipsync/denoise.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/frame_views.h"
#include "core/lipsync/mouths.h"
#include "core/lipsync/render_settings.h"

#include <string>
#include <utility>

#include <c10/core/InferenceMode.h>

namespace latentsync::lipsync {
namespace {

template <typename T>
T value_of(Result<T> result) {
  if (!result) raise(result.failure());
  return std::move(*result);
}

void check_window(const Window& window, const ModelInfo& info) {
  const auto most = static_cast<size_t>(info.most_window_frames);
  const size_t count = window.frames != nullptr ? window.frames->count() : 0;
  if (!window.at_rest.empty() && window.at_rest.size() != count) {
    throw Error(ErrorCode::kInvalidArgument, "Mouths are at rest in frames that are not there.");
  }
  if (count >= 1 && count <= most) return;
  throw Error(ErrorCode::kInvalidArgument, "A window of " + std::to_string(count) +
                                               " frames cannot be rendered: set window-frames "
                                               "from 1 to " +
                                               std::to_string(most) + ".");
}

// The frames are read by tasks alone: their stream waits until the pixels are there.
void order_after_producers(const DeviceWork& device, std::span<const kernels::ImageView> views) {
  if (device_of(views.front()).is_cpu()) return;
  device.launch([&] {
    for (const auto& view : views) device::wait_for_event(device_of(view), view.ready_event);
  });
}

// What reads and writes frames where they lie: no turn of the device in system memory. On a device
// the host does not wait for it, and SECONDS are those of launching it.
template <typename Work>
auto at_frames(const DeviceWork& device, c10::Device where, double& seconds, Work&& work) {
  return device.beside(seconds, [&] { return where.is_cpu() ? work() : device.launch(work); });
}

template <typename Work>
std::optional<Failure> failure_of(Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return std::nullopt;
  } catch (...) {
    return current_failure();
  }
}

}  // namespace

/// A window as it came, looked at once.
struct LipsyncSession::Input {
  RenderSettings settings;  ///< resolved
  std::vector<kernels::ImageView> views;
  std::vector<int64_t> times;
  WindowKey key;
};

/// The latents of a window's faces.
struct LipsyncSession::Denoised {
  std::vector<at::Tensor> latents;
  bool cached = false;
  std::optional<cache::NewEntry> entry;  ///< to be kept when the window is committed
};

/// Its images, on their way.
struct LipsyncSession::Generated {
  Pasting pasting;
  bool cached = false;
  std::optional<cache::NewEntry> entry;  ///< as above
};

LipsyncSession::LipsyncSession(std::shared_ptr<LoadedModel> model, AudioContext context,
                               int64_t lookahead_ns, SessionMemory memory,
                               const CacheSettings& cache)
    : model_(std::move(model)),
      share_(model_->networks().device, std::move(memory)),
      audio_(model_->networks().whisper, context, lookahead_ns,
             model_->networks().audio_block_fill) {
  if (!cache.enabled) return;
  cache_ = std::make_unique<ResultCache>(cache, [this] { return model_->content_hash(); });
}

AudioRange LipsyncSession::needed_audio(std::span<const int64_t> times_ns) const noexcept {
  try {
    return audio_.needed(times_ns);
  } catch (...) {
    return {};
  }
}

std::optional<Failure> LipsyncSession::append_audio(std::span<const float> samples) noexcept {
  return failure_of([&] {
    const c10::InferenceMode inference;
    const memory::AccountScope scope(share_.account());
    audio_.append(samples);
  });
}

std::optional<Failure> LipsyncSession::finish_audio() noexcept {
  return failure_of([&] {
    const c10::InferenceMode inference;
    const memory::AccountScope scope(share_.account());
    audio_.finish();
  });
}

Result<WindowResult> LipsyncSession::render(const Window& window, const RenderSettings& settings,
                                            std::stop_token stop,
                                            const RenderProgressCallback& progress) noexcept {
  const auto refused =
      failure_of([&] { share_.plan_for(planned_settings(settings, model_->networks().info)); });
  if (refused) return *refused;
  auto result = guarded([&] { return render_window(window, settings, stop, progress); });
  if (result) return result;
  return explained(result.failure(), settings);
}

std::optional<Failure> LipsyncSession::prepare(const Window& window, const RenderSettings& settings,
                                               std::stop_token stop) noexcept {
  chain_.drop_prepared();
  auto failure = failure_of([&] { prepare_ahead(window, settings, stop); });
  if (failure) failure = explained(*failure, settings);
  return failure;
}

std::string LipsyncSession::finish_cache() noexcept { return cache_ ? cache_->finish() : ""; }

Failure LipsyncSession::explained(const Failure& failure,
                                  const RenderSettings& settings) const noexcept {
  try {
    return rendering_failure(failure, settings, memory_plan());
  } catch (...) {
    return {failure.code, {}, {}};  // not even the message could be made
  }
}

WindowResult LipsyncSession::render_window(const Window& window, const RenderSettings& settings,
                                           const std::stop_token& stop,
                                           const RenderProgressCallback& progress) {
  const auto& networks = model_->networks();
  const auto input = read(window, settings);
  check_stop(stop);
  const DeviceShare::WindowScope scope(share_, /*may_change_rung=*/true);
  share_.reset_memory_peak();
  const DeviceWork device(share_, window.deadline_ns, stop);
  order_after_producers(device, input.views);
  const auto mask = mask_of(device, input.settings.resolution);
  WindowResult result;
  WindowProgress window_progress(networks.info.vae, input.settings, progress);
  const WindowContext context{.networks = networks,
                              .settings = input.settings,
                              .mask = mask,
                              .device = device,
                              .stop = stop,
                              .progress = window_progress,
                              .seconds = result.seconds};

  WindowChain::Rendering rendering(chain_, input.key);
  auto prepared = rendering.take(stop);
  if (prepared) {
    result.seconds = prepared->seconds;
    window_progress.faces_found(prepared->sequences);
  } else {
    prepared = prepare_input(context, window, input, rendering.entering());
  }
  rendering.leave(prepared->follow);
  std::optional<Generated> generated;
  if (!prepared->sequences.empty()) generated = generate(context, input, *prepared);
  result.cached = generated && generated->cached;
  result.frames = std::move(prepared->frames);
  result.rung = share_.rungs().current().rung.name;
  result.memory_peak = share_.memory_peak();
  if (networks.device.is_cpu()) result.memory_peak += networks.info.weight_bytes;
  std::vector<cache::NewEntry> entries;
  // The latents first: they are what took the time.
  if (generated && generated->entry) entries.push_back(std::move(*generated->entry));
  if (prepared->entry) entries.push_back(std::move(*prepared->entry));
  // A stream that is shown while it is rendered does not wait for a disk.
  if (!entries.empty() && !window.deadline_ns) cache_->wait(stop);
  // Frames are the last that changes: what can fail comes before the first one is written to.
  check_stop(stop);
  // Decoding has waited for the device; without a face something may still read the frames.
  if (!generated) device.wait();
  device.collect();
  if (generated) {
    at_frames(device, device_of(input.views.front()), result.seconds.paste, [&] {
      generated->pasting.write(*window.frames);
      return true;
    });
  }
  window_progress.pasted();
  rendering.commit();
  if (!entries.empty()) cache_->keep(std::move(entries));
  if (cache_) result.cache_warning = cache_->take_warning();
  return result;
}

void LipsyncSession::prepare_ahead(const Window& window, const RenderSettings& settings,
                                   const std::stop_token& stop) {
  const auto& networks = model_->networks();
  const auto input = read(window, settings);
  if (!share_.is_planned_for(planned_settings(settings, networks.info))) return;
  if (!share_.rungs().has_room_ahead()) return;
  const DeviceWork device(share_, window.deadline_ns, stop);
  order_after_producers(device, input.views);
  const auto mask = mask_of(device, input.settings.resolution);
  const auto entering = chain_.begin_preparing(input.key, stop);
  if (!entering) return;
  const DeviceShare::WindowScope scope(share_, /*may_change_rung=*/false);
  std::optional<Prepared> prepared;
  const auto end = [&] { chain_.end_preparing(entering->number, std::move(prepared)); };
  try {
    StageSeconds seconds;
    WindowProgress unreported(networks.info.vae, input.settings, {});
    const WindowContext context{.networks = networks,
                                .settings = input.settings,
                                .mask = mask,
                                .device = device,
                                .stop = stop,
                                .progress = unreported,
                                .seconds = seconds};
    prepared = prepare_input(context, window, input, entering->follow);
    device.wait();  // the frames are read until then
    device.collect();
    prepared->seconds = seconds;
  } catch (...) {
    end();
    throw;
  }
  end();
}

LipsyncSession::Input LipsyncSession::read(const Window& window,
                                           const RenderSettings& settings) const {
  const auto& info = model_->networks().info;
  check_window(window, info);
  Input input{.settings = resolve_settings(settings, info)};
  for (size_t i = 0; i < window.frames->count(); ++i) {
    input.views.push_back(value_of(window.frames->readable(i)));
    input.times.push_back(window.frames->time_ns(i));
  }
  input.key = key_of(window, input.times, input.views, input.settings);
  return input;
}

Prepared LipsyncSession::prepare_input(const WindowContext& context, const Window& window,
                                       const Input& input, const face::FollowState& follow) {
  const auto audio = [&](bool fields) {
    return audio_.features(input.times, window.audio, window.audio_start, fields, window.at_rest);
  };
  // The cache finds faces by the pixels' bytes, which the host does not reach on a device.
  if (!cache_ || !device_of(input.views.front()).is_cpu()) {
    return prepare_window(context, input.views, follow, audio);
  }
  const auto rung = share_.rungs().current();
  auto known = cache_->find_faces(context, rung.rung, input.views, follow);
  if (known.prepared) {
    context.progress.faces_found(known.prepared->sequences);
    add_audio(context, input.views, audio, *known.prepared);
    return std::move(*known.prepared);
  }
  auto prepared = prepare_window(context, input.views, follow, audio);
  // What was partly made at another rung belongs to neither.
  if (known.key && share_.rungs().current().rung == rung.rung) {
    prepared.entry = cache_->entry_of(context, *known.key, prepared);
  }
  return prepared;
}

LipsyncSession::Denoised LipsyncSession::denoise(const WindowContext& context, const Input& input,
                                                 const Prepared& prepared) {
  const size_t frames = input.views.size();
  const auto rung = share_.rungs().current();
  ResultCache::KnownLatents known;
  if (cache_) {
    known =
        cache_->find_latents(context, rung.rung, prepared.sequences, prepared.conditioning, frames);
  }
  if (!known.latents.empty()) {
    context.progress.latents_found();
    return {.latents = std::move(known.latents), .cached = true};
  }
  Denoised denoised{.latents =
                        denoise_faces(context, prepared.sequences, prepared.conditioning, frames)};
  if (known.key && share_.rungs().current().rung == rung.rung) {
    denoised.entry = cache_->entry_of(context, *known.key, denoised.latents);
  }
  return denoised;
}

LipsyncSession::Generated LipsyncSession::generate(const WindowContext& context, const Input& input,
                                                   Prepared& prepared) {
  auto denoised = denoise(context, input, prepared);
  prepared.conditioning.clear();
  const auto where = device_of(input.views.front());
  const auto images = decode_faces(context, denoised.latents, where);
  denoised.latents.clear();
  if (context.settings.measure_mouths) {
    measure_mouths(context, prepared.sequences, images, input.views, prepared.frames);
  }
  auto pasting = context.device.at_rung([&](const Rung&) {
    return at_frames(context.device, where, context.seconds.paste, [&] {
      return Pasting(prepared.sequences, images, context.mask, input.views);
    });
  });
  return {
      .pasting = std::move(pasting), .cached = denoised.cached, .entry = std::move(denoised.entry)};
}

FaceMask LipsyncSession::mask_of(const DeviceWork& device, int64_t resolution) {
  const std::lock_guard lock(mask_mutex_);
  if (mask_.resolution != resolution) {
    mask_ = device.launch([&] { return FaceMask::make(resolution, model_->networks().device); });
  }
  return mask_;
}

}  // namespace latentsync::lipsync
