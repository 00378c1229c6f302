#pragma once

#include "core/lipsync/model.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

namespace latentsync::lipsync {

/// The models that somebody holds, and those that are being loaded, by ModelSource::key(). For
/// several threads.
class ModelCache {
 public:
  using Load = std::function<std::shared_ptr<LoadedModel>()>;

  /// The model of KEY. Whoever asks while it is being loaded waits for it, and loads it where the
  /// other one could not. Errors: kCancelled; what LOAD throws.
  std::shared_ptr<LoadedModel> get(const std::string& key, const std::stop_token& stop,
                                   const Load& load);

  /// Of the weights of the model of KEY; 0 where nobody holds it.
  int64_t weight_bytes(const std::string& key);

 private:
  struct Entry {
    std::weak_ptr<LoadedModel> model;
    bool loading = false;
    int users = 0;  // calls of get() that look at it
  };

  void finish(const std::string& key, const std::shared_ptr<LoadedModel>& model);
  void leave(const std::string& key);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Entry> entries_;
};

}  // namespace latentsync::lipsync
