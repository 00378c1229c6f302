#include "core/engine.h"

#include "core/lipsync/device.h"
#include "core/lipsync/failure.h"
#include "core/lipsync/model.h"
#include "core/lipsync/planning.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace latentsync {
namespace lipsync {
namespace {

/// The models that somebody holds, and those that are being loaded.
class ModelCache {
 public:
  using Load = std::function<std::shared_ptr<LoadedModel>()>;

  /// The model of KEY. Whoever asks while it is being loaded waits for it, and loads it where the
  /// other one could not. Errors: kCancelled; what LOAD throws.
  std::shared_ptr<LoadedModel> get(const std::string& key, const std::stop_token& stop,
                                   const Load& load) {
    {
      std::unique_lock lock(mutex_);
      // References into a map stay good; entries that wait or load are never erased.
      auto& entry = entries_[key];
      ++entry.users;
      const bool free = changed_.wait(lock, stop, [&] { return !entry.loading; });
      if (auto model = entry.model.lock(); model || !free) {
        leave(key);
        if (model && free) return model;
        throw Error(ErrorCode::kCancelled, "Loading the model was cancelled.");
      }
      entry.loading = true;
    }
    std::shared_ptr<LoadedModel> model;
    try {
      model = load();
    } catch (...) {
      finish(key, nullptr);
      throw;
    }
    finish(key, model);
    return model;
  }

 private:
  struct Entry {
    std::weak_ptr<LoadedModel> model;
    bool loading = false;
    int users = 0;  // calls of get() that look at it
  };

  void finish(const std::string& key, const std::shared_ptr<LoadedModel>& model) {
    const std::lock_guard lock(mutex_);
    entries_[key].model = model;
    entries_[key].loading = false;
    leave(key);
    changed_.notify_all();
  }

  // Forgets what nobody holds or waits for.
  void leave(const std::string& key) {
    --entries_[key].users;
    std::erase_if(entries_, [](const auto& item) {
      return item.second.users == 0 && item.second.model.expired();
    });
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Entry> entries_;
};

class LipsyncEngine : public Engine {
 public:
  Result<MemoryPlan> plan(const PlanRequest& request) noexcept override {
    return guarded([&] { return plan_model(request); });
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
