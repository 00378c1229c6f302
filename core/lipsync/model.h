#pragma once

#include "core/engine.h"
#include "core/lipsync/networks.h"
#include "core/lipsync/planning.h"
#include "core/lipsync/shortages.h"
#include "core/model/content_hash.h"

#include <memory>
#include <optional>
#include <string>

namespace latentsync::lipsync {

/// Networks in memory (core/engine.h). Its sessions hold it.
class LoadedModel : public Model, public std::enable_shared_from_this<LoadedModel> {
 public:
  /// HASHES: those of the process's models.
  LoadedModel(Networks networks, std::shared_ptr<model::ContentHashes> hashes);
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;
  /// Gives the memory back to the system and the device, so that the next model finds it.
  ~LoadedModel() override;

  const ModelInfo& info() const noexcept override { return networks_.info; }
  Result<RenderSettings> resolve(const RenderSettings& settings) const noexcept override;
  Result<std::unique_ptr<Session>> open(AudioContext context, int64_t lookahead_ns,
                                        const PlanRequest& request,
                                        const CacheSettings& cache) noexcept override;

  const Networks& networks() const { return networks_; }
  /// 64 hexadecimal digits that are equal for equal contents of all files that were read, wherever
  /// they lie. Computed when it is first asked for: every file is read, which takes seconds for
  /// the published networks. None where a file was replaced before it was hashed. Errors: those of
  /// model::MappedFile::open. From any thread.
  std::optional<std::string> content_hash() const;

 private:
  Networks networks_;
  std::shared_ptr<model::ContentHashes> hashes_;
  SessionPlanner planner_{networks_};
  const std::shared_ptr<Shortages> shortages_ = std::make_shared<Shortages>();
};

}  // namespace latentsync::lipsync
