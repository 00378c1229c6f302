#include "core/lipsync/result_cache.h"

#include "core/cache/folder.h"
#include "core/device/transfer.h"
#include "core/error.h"
#include "core/lipsync/images_key.h"
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

size_t bytes_of(std::span<const at::Tensor> tensors) {
  size_t bytes = 0;
  for (const auto& tensor : tensors) bytes += tensor.nbytes();
  return bytes;
}

// Empty where PAYLOAD is not as long as the images of SEQUENCES are.
std::vector<at::Tensor> images_in(const WindowContext& context,
                                  std::span<const FaceSequence> sequences,
                                  std::span<const std::byte> payload, c10::Device where) {
  const int64_t edge = context.settings.resolution;
  std::vector<at::Tensor> images;
  for (const auto& sequence : sequences) {
    images.push_back(at::empty({std::ssize(sequence.faces), 3, edge, edge},
                               at::TensorOptions(context.networks.dtype)));
  }
  if (bytes_of(images) != payload.size()) return {};
  for (auto& image : images) {
    std::memcpy(image.mutable_data_ptr(), payload.data(), image.nbytes());
    payload = payload.subspan(image.nbytes());
    image = image.to(where);
  }
  return images;
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

const std::optional<std::string>& ResultCache::model() {
  std::call_once(model_once_, [this] {
    try {
      model_ = compute_model_();
    } catch (...) {
      model_.reset();
    }
    if (model_) return;
    report({cache::Problem::Kind::kModel,
            "The result cache is not used, because the model's files were replaced or removed "
            "since the model was loaded: load it again."});
  });
  return model_;
}

ResultCache::Known ResultCache::find(const WindowContext& context, const Rung& rung,
                                     std::span<const FaceSequence> sequences,
                                     std::span<const diffusion::Conditioning> conditioning,
                                     size_t frames, c10::Device where) {
  if (!store_ || !model()) return {};
  try {
    if (identity_.empty()) identity_ = result_identity(context.networks.device);
    const auto readable = in_system_memory(context, conditioning);
    const auto look_up = [&]() -> std::pair<cache::Key, cache::Found> {
      const auto key = images_key({.model = *model_,
                                   .identity = identity_,
                                   .info = context.networks.info,
                                   .settings = context.settings,
                                   .rung = rung,
                                   .frames = frames,
                                   .sequences = sequences,
                                   .conditioning = readable});
      return {key, store_->find(key)};
    };
    auto [key, found] = context.device.beside(context.seconds.denoise, look_up);
    Known known{.key = key};
    if (found.problem) {
      // In place of what is not ours, or cannot be read, nothing is written either.
      if (found.problem->kind != cache::Problem::Kind::kDamaged) known.key.reset();
      report(std::move(*found.problem));
    }
    if (found.payload) {
      const auto load = [&] { return images_in(context, sequences, found.payload->span(), where); };
      known.images = where.is_cpu() ? context.device.beside(context.seconds.denoise, load)
                                    : context.device.task(context.seconds.denoise, load);
    }
    return known;
  } catch (...) {
    return {};  // what the device or the memory has, the denoising will say
  }
}

std::optional<ResultCache::Entry> ResultCache::entry_of(const WindowContext& context,
                                                        const cache::Key& key,
                                                        std::span<const at::Tensor> images) {
  try {
    const auto copies = in_system_memory(context, context.seconds.denoise, images);
    Entry entry{key, cache::Bytes(bytes_of(copies))};
    auto place = entry.payload.span();
    for (const auto& copy : copies) {
      std::memcpy(place.data(), copy.const_data_ptr(), copy.nbytes());
      place = place.subspan(copy.nbytes());
    }
    return entry;
  } catch (...) {
    return std::nullopt;  // there is no memory for a copy: the window is not kept
  }
}

void ResultCache::wait(const std::stop_token& stop) {
  if (writer_ && !writer_->wait(stop)) {
    throw Error(ErrorCode::kCancelled, "Rendering was cancelled.");
  }
}

void ResultCache::keep(Entry entry) noexcept {
  try {
    writer_->write(entry.key, std::move(entry.payload));
  } catch (...) {
    // The window is not kept.
  }
}

void ResultCache::report(cache::Problem problem) {
  if (warning_.empty() && told_.insert(problem.kind).second) {
    warning_ = std::move(problem.sentence);
  }
}

std::string ResultCache::take_warning() noexcept {
  try {
    if (writer_) {
      if (auto problem = writer_->take_problem()) report(std::move(*problem));
    }
    return std::exchange(warning_, {});
  } catch (...) {
    return {};
  }
}

}  // namespace latentsync::lipsync
