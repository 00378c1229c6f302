#pragma once

#include "core/engine.h"
#include "core/lipsync/networks.h"

#include <memory>

namespace latentsync::lipsync {

/// Networks in memory (core/engine.h). Its sessions hold it.
class LoadedModel : public Model, public std::enable_shared_from_this<LoadedModel> {
 public:
  explicit LoadedModel(Networks networks);
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;
  /// Gives the memory back to the system and the device, so that the next model finds it.
  ~LoadedModel() override;

  const ModelInfo& info() const noexcept override { return networks_.info; }
  Result<RenderSettings> resolve(const RenderSettings& settings) const noexcept override;
  Result<std::unique_ptr<Session>> open(AudioContext context, int64_t lookahead_ns,
                                        const PlanRequest& request) noexcept override;

  const Networks& networks() const { return networks_; }

 private:
  Networks networks_;
};

}  // namespace latentsync::lipsync
