#pragma once

#include "core/cache/bytes.h"
#include "core/cache/key.h"
#include "core/cache/problem.h"
#include "core/cache/store.h"
#include "core/cache/writer.h"
#include "core/engine.h"
#include "core/lipsync/denoise.h"
#include "core/lipsync/window_context.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::lipsync {

/// A session's way to the result cache (docs/cache.md): images of faces by all that they depend
/// on. Nothing fails here: what goes wrong is a miss, and a warning.
class ResultCache {
 public:
  /// MODEL: LoadedModel::content_hash(), asked for with the first window. What is in SETTINGS
  /// other than "enabled" is looked at.
  ResultCache(const CacheSettings& settings, std::function<std::optional<std::string>()> model);

  struct Known {
    std::optional<cache::Key> key;   ///< none: the window can neither be found nor kept
    std::vector<at::Tensor> images;  ///< as denoise_faces() gives them; empty: a miss
  };
  /// The images of a window of FRAMES frames that is denoised at RUNG, on the device WHERE.
  Known find(const WindowContext& context, const Rung& rung,
             std::span<const FaceSequence> sequences,
             std::span<const diffusion::Conditioning> conditioning, size_t frames,
             c10::Device where);

  struct Entry {
    cache::Key key;
    cache::Bytes payload;
  };
  /// IMAGES on their way to the cache; in memory that is on no account, because the window after
  /// must have as much as without a cache.
  std::optional<Entry> entry_of(const WindowContext& context, const cache::Key& key,
                                std::span<const at::Tensor> images);

  /// Waits until the window before is written, so that no more than one finished window can be
  /// lost. Errors: kCancelled.
  void wait(const std::stop_token& stop);
  /// Goes to the disk behind the caller's back; dropped where the one before is not there yet.
  void keep(Entry entry) noexcept;

  /// What people should be told since this was last asked, each kind once; may be empty.
  std::string take_warning() noexcept;

 private:
  const std::optional<std::string>& model();
  void report(cache::Problem problem);

  std::function<std::optional<std::string>()> compute_model_;
  std::once_flag model_once_;
  std::optional<std::string> model_;
  std::string identity_;
  std::shared_ptr<cache::Store> store_;  // none where there is no folder
  std::optional<cache::Writer> writer_;
  std::set<cache::Problem::Kind> told_;
  std::string warning_;
};

}  // namespace latentsync::lipsync
