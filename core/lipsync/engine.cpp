#include "core/engine.h"

#include "core/lipsync/device.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/model.h"
#include "core/lipsync/model_cache.h"
#include "core/lipsync/planning.h"

#include <optional>
#include <utility>

namespace latentsync {
namespace lipsync {
namespace {

class LipsyncEngine : public Engine {
 public:
  Result<MemoryPlan> plan(const PlanRequest& request) noexcept override {
    return guarded([&] {
      return plan_model(
          request, [&](const ModelSource& source) { return models_.weight_bytes(source.key()); });
    });
  }

  Result<std::shared_ptr<Model>> load(
      const ModelSettings& settings, std::stop_token stop,
      const std::function<void(double, const char*)>& progress) noexcept override {
    std::optional<ModelSource> source;
    int64_t file_bytes = 0;
    auto result = guarded([&]() -> std::shared_ptr<Model> {
      source = find_source(settings);
      file_bytes = source->file_bytes();
      use_exact_arithmetic(source->device);
      auto model = models_.get(source->key(), stop, [&] {
        return std::make_shared<LoadedModel>(load_networks(*source, stop, progress), hashes_);
      });
      if (progress) progress(1, "model");
      return model;
    });
    if (result || !source) return result;
    return loading_failure(result.failure(), file_bytes, precision_name(source->dtype),
                           source->device.str());
  }

 private:
  ModelCache models_;
  const std::shared_ptr<model::ContentHashes> hashes_ = std::make_shared<model::ContentHashes>();
};

}  // namespace
}  // namespace lipsync
}  // namespace latentsync

extern "C" __attribute__((visibility("default"))) latentsync::Engine* latentsync_engine(
    int version) {
  if (version != latentsync::kEngineVersion) return nullptr;
  // Never destroyed: models may be held until the process ends.
  static auto* const engine = new latentsync::lipsync::LipsyncEngine;
  return engine;
}
