#pragma once

#include "core/cache/entry.h"
#include "core/cache/key.h"
#include "core/cache/problem.h"
#include "core/cache/store.h"
#include "core/cache/writer.h"
#include "core/engine.h"
#include "core/face/follow.h"
#include "core/lipsync/face_sequences.h"
#include "core/lipsync/prepare.h"
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

/// A session's way to the result cache (docs/cache.md): what a window is prepared to, and the
/// latents that are generated of its faces, each by all that it depends on. Nothing fails here:
/// what goes wrong is a miss, and a warning. For the thread that renders and the one that prepares
/// ahead.
class ResultCache {
 public:
  /// MODEL: LoadedModel::content_hash(), asked for with the first window. What is in SETTINGS
  /// other than "enabled" is looked at.
  ResultCache(const CacheSettings& settings, std::function<std::optional<std::string>()> model);

  struct KnownFaces {
    std::optional<cache::Key> key;     ///< none: the window can neither be found nor kept
    std::optional<Prepared> prepared;  ///< without the audio's part; none: a miss
  };
  /// What a window of VIEWS that enters with the state FOLLOW is prepared to at RUNG. Frames in a
  /// device's memory are not looked at: to bring them here takes as long.
  KnownFaces find_faces(const WindowContext& context, const Rung& rung,
                        std::span<const kernels::ImageView> views, const face::FollowState& follow);
  std::optional<cache::NewEntry> entry_of(const WindowContext& context, const cache::Key& key,
                                          const Prepared& prepared);

  struct KnownLatents {
    std::optional<cache::Key> key;    ///< none: they can neither be found nor kept
    std::vector<at::Tensor> latents;  ///< as denoise_faces() gives them; empty: a miss
  };
  /// What is generated of a window of FRAMES frames that is denoised at RUNG.
  KnownLatents find_latents(const WindowContext& context, const Rung& rung,
                            std::span<const FaceSequence> sequences,
                            std::span<const diffusion::Conditioning> conditioning, size_t frames);
  /// LATENTS on their way to the cache; in memory that is on no account, because the window after
  /// must have as much as without a cache.
  std::optional<cache::NewEntry> entry_of(const WindowContext& context, const cache::Key& key,
                                          std::span<const at::Tensor> latents);

  /// Waits until the window before is written, so that no more than one finished window can be
  /// lost. Errors: kCancelled.
  void wait(const std::stop_token& stop);
  /// A window's entries, at least one, go to the disk behind the caller's back; dropped where those
  /// of the one before are not there yet.
  void keep(std::vector<cache::NewEntry> entries) noexcept;

  /// What people should be told since this was last asked, each kind once; may be empty.
  std::string take_warning() noexcept;
  /// The same, when all that was kept is written.
  std::string finish() noexcept;

 private:
  /// Nothing is known, and nothing can be kept, where this is false.
  bool ready(c10::Device device);
  /// The payload that is found, if any; no key any more where nothing must be written either.
  std::optional<cache::Bytes> look_up(std::optional<cache::Key>& key);
  void report(cache::Problem problem);

  std::function<std::optional<std::string>()> compute_model_;
  std::once_flag ready_once_;
  std::optional<std::string> model_;
  std::string identity_;
  std::shared_ptr<cache::Store> store_;  // none where there is no folder
  std::optional<cache::Writer> writer_;
  std::mutex mutex_;
  std::set<cache::Problem::Kind> told_;
  std::string warning_;
};

}  // namespace latentsync::lipsync
