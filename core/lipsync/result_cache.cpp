#include "core/lipsync/result_cache.h"

#include "core/cache/folder.h"
#include "core/device/transfer.h"
#include "core/error.h"
#include "core/lipsync/faces_key.h"
#include "core/lipsync/frame_views.h"
#include "core/lipsync/latents_key.h"
#include "core/lipsync/prepared_bytes.h"
#include "core/lipsync/result_identity.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include <ATen/ops/empty.h>

namespace latentsync::lipsync {
namespace {

constexpr int64_t kUsualMostBytes = int64_t{10} << 30;

std::optional<std::filesystem::path> folder_of(const CacheSettings& settings) {
  if (settings.folder.empty()) return cache::default_folder();
  return std::filesystem::absolute(settings.folder);
}

// WORK's result; in a turn of DEVICE unless that is the processor.
template <typename Work>
auto in_turn(const WindowContext& context, c10::Device device, double& seconds, Work&& work) {
  return device.is_cpu() ? context.device.beside(seconds, work)
                         : context.device.task(seconds, work);
}

// TENSORS where the processor reads them, in a turn of the device where that copies them.
std::vector<at::Tensor> in_system_memory(const WindowContext& context, double& seconds,
                                         std::span<const at::Tensor> tensors) {
  const auto copy = [&] {
    std::vector<at::Tensor> copies;
    for (const auto& tensor : tensors) {
      copies.push_back(device::to_host(tensor, tensor.scalar_type()).contiguous());
    }
    return copies;
  };
  const bool all_here =
      std::ranges::all_of(tensors, [](const at::Tensor& tensor) { return tensor.is_cpu(); });
  return all_here ? context.device.beside(seconds, copy) : context.device.task(seconds, copy);
}

std::vector<diffusion::Conditioning> in_system_memory(
    const WindowContext& context, std::span<const diffusion::Conditioning> conditioning) {
  std::vector<at::Tensor> tensors;
  for (const auto& one : conditioning) {
    tensors.insert(tensors.end(),
                   {one.mask, one.masked_latents, one.reference_latents, one.audio_embeddings});
  }
  tensors = in_system_memory(context, context.seconds.denoise, tensors);
  std::vector<diffusion::Conditioning> copies;
  for (size_t i = 0; i < tensors.size(); i += 4) {
    copies.push_back({tensors[i], tensors[i + 1], tensors[i + 2], tensors[i + 3]});
  }
  return copies;
}

size_t size_of(std::span<const at::Tensor> tensors) {
  size_t bytes = 0;
  for (const auto& tensor : tensors) bytes += tensor.nbytes();
  return bytes;
}

// Empty where PAYLOAD is not as long as the latents of SEQUENCES are.
std::vector<at::Tensor> latents_in(const WindowContext& context,
                                   std::span<const FaceSequence> sequences,
                                   std::span<const std::byte> payload) {
  const auto& networks = context.networks;
  const int64_t edge = context.settings.resolution / networks.vae->downscale_factor();
  std::vector<at::Tensor> latents;
  for (const auto& sequence : sequences) {
    latents.push_back(
        at::empty({1, networks.vae->latent_channels(), std::ssize(sequence.faces), edge, edge},
                  at::TensorOptions(networks.dtype)));
  }
  if (size_of(latents) != payload.size()) return {};
  for (auto& of_face : latents) {
    std::memcpy(of_face.mutable_data_ptr(), payload.data(), of_face.nbytes());
    payload = payload.subspan(of_face.nbytes());
    of_face = of_face.to(networks.device);
  }
  return latents;
}

}  // namespace

ResultCache::ResultCache(const CacheSettings& settings,
                         std::function<std::optional<std::string>()> model)
    : compute_model_(std::move(model)) {
  const auto folder = folder_of(settings);
  if (!folder) {
    report({cache::Problem::Kind::kFolder,
            "There is no folder for the result cache, because neither $XDG_CACHE_HOME nor $HOME is "
            "an absolute path. Windows are rendered without it; set disk-cache-dir."});
    return;
  }
  const int64_t most = settings.most_bytes > 0 ? settings.most_bytes : kUsualMostBytes;
  store_ = std::make_shared<cache::Store>(*folder, static_cast<uint64_t>(most));
  writer_.emplace(store_);
}

bool ResultCache::ready(c10::Device device) {
  if (!store_) return false;
  std::call_once(ready_once_, [&] {
    try {
      identity_ = result_identity(device);
      model_ = compute_model_();
    } catch (...) {
      model_.reset();
    }
    if (model_) return;
    report({cache::Problem::Kind::kModel,
            "The result cache is not used, because the model's files were replaced or removed "
            "since the model was loaded: load it again."});
  });
  return model_.has_value();
}

std::optional<cache::Bytes> ResultCache::look_up(std::optional<cache::Key>& key) {
  auto found = store_->find(*key);
  if (found.problem) {
    // In place of what is not ours, or cannot be read, nothing is written either.
    if (found.problem->kind != cache::Problem::Kind::kDamaged) key.reset();
    report(std::move(*found.problem));
  }
  return std::move(found.payload);
}

ResultCache::KnownFaces ResultCache::find_faces(const WindowContext& context, const Rung& rung,
                                                std::span<const kernels::ImageView> views,
                                                const face::FollowState& follow) {
  const auto is_here = [](const kernels::ImageView& view) { return device_of(view).is_cpu(); };
  if (!std::ranges::all_of(views, is_here)) return {};
  try {
    const auto device = context.networks.device;
    if (!ready(device)) return {};
    const auto state =
        in_turn(context, device, context.seconds.face, [&] { return bytes_of(follow); });
    KnownFaces known;
    const auto payload = context.device.beside(context.seconds.face, [&] {
      known.key = faces_key({.model = *model_,
                             .identity = identity_,
                             .info = context.networks.info,
                             .settings = context.settings,
                             .rung = rung,
                             .views = views,
                             .follow = state.span()});
      return look_up(known.key);
    });
    if (payload) {
      known.prepared = in_turn(context, device, context.seconds.face,
                               [&] { return prepared_from(payload->span(), device); });
    }
    return known;
  } catch (...) {
    return {};  // what the device or the memory has, the work itself will say
  }
}

std::optional<cache::NewEntry> ResultCache::entry_of(const WindowContext& context,
                                                     const cache::Key& key,
                                                     const Prepared& prepared) {
  try {
    return cache::NewEntry{key, in_turn(context, context.networks.device, context.seconds.face,
                                        [&] { return bytes_of(prepared); })};
  } catch (...) {
    return std::nullopt;  // there is no memory for a copy: the window is not kept
  }
}

ResultCache::KnownLatents ResultCache::find_latents(
    const WindowContext& context, const Rung& rung, std::span<const FaceSequence> sequences,
    std::span<const diffusion::Conditioning> conditioning, size_t frames) {
  try {
    const auto device = context.networks.device;
    if (!ready(device)) return {};
    const auto readable = in_system_memory(context, conditioning);
    KnownLatents known;
    const auto payload = context.device.beside(context.seconds.denoise, [&] {
      known.key = latents_key({.model = *model_,
                               .identity = identity_,
                               .info = context.networks.info,
                               .settings = context.settings,
                               .rung = rung,
                               .frames = frames,
                               .sequences = sequences,
                               .conditioning = readable});
      return look_up(known.key);
    });
    if (payload) {
      known.latents = in_turn(context, device, context.seconds.denoise,
                              [&] { return latents_in(context, sequences, payload->span()); });
    }
    return known;
  } catch (...) {
    return {};
  }
}

std::optional<cache::NewEntry> ResultCache::entry_of(const WindowContext& context,
                                                     const cache::Key& key,
                                                     std::span<const at::Tensor> latents) {
  try {
    const auto copies = in_system_memory(context, context.seconds.denoise, latents);
    cache::NewEntry entry{key, cache::Bytes(size_of(copies))};
    auto place = entry.payload.span();
    for (const auto& copy : copies) {
      std::memcpy(place.data(), copy.const_data_ptr(), copy.nbytes());
      place = place.subspan(copy.nbytes());
    }
    return entry;
  } catch (...) {
    return std::nullopt;
  }
}

void ResultCache::wait(const std::stop_token& stop) {
  if (writer_ && !writer_->wait(stop)) {
    throw Error(ErrorCode::kCancelled, "Rendering was cancelled.");
  }
}

void ResultCache::keep(std::vector<cache::NewEntry> entries) noexcept {
  try {
    writer_->write(std::move(entries));
  } catch (...) {
    // The window is not kept.
  }
}

void ResultCache::report(cache::Problem problem) {
  const std::lock_guard lock(mutex_);
  if (warning_.empty() && told_.insert(problem.kind).second) {
    warning_ = std::move(problem.sentence);
  }
}

std::string ResultCache::finish() noexcept {
  if (writer_) writer_->wait({});
  return take_warning();
}

std::string ResultCache::take_warning() noexcept {
  try {
    if (writer_) {
      if (auto problem = writer_->take_problem()) report(std::move(*problem));
    }
    const std::lock_guard lock(mutex_);
    return std::exchange(warning_, {});
  } catch (...) {
    return {};
  }
}

}  // namespace latentsync::lipsync
