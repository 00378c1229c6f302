#include "core/lipsync/model_cache.h"

#include "core/error.h"

namespace latentsync::lipsync {

std::shared_ptr<LoadedModel> ModelCache::get(const std::string& key, const std::stop_token& stop,
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

int64_t ModelCache::weight_bytes(const std::string& key) {
  std::shared_ptr<LoadedModel> model;  // not destroyed with the lock held
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end()) model = found->second.model.lock();
  return model ? model->info().weight_bytes : 0;
}

void ModelCache::finish(const std::string& key, const std::shared_ptr<LoadedModel>& model) {
  const std::lock_guard lock(mutex_);
  entries_[key].model = model;
  entries_[key].loading = false;
  leave(key);
  changed_.notify_all();
}

// Forgets what nobody holds or waits for.
void ModelCache::leave(const std::string& key) {
  --entries_[key].users;
  std::erase_if(entries_, [](const auto& item) {
    return item.second.users == 0 && item.second.model.expired();
  });
}

}  // namespace latentsync::lipsync
