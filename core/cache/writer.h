#pragma once

#include "core/cache/entry.h"
#include "core/cache/problem.h"
#include "core/cache/store.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

namespace latentsync::cache {

/// Puts entries into a store on a thread of its own, one after the other, so that nobody waits for
/// the disk who has something else to do.
class Writer {
 public:
  explicit Writer(std::shared_ptr<Store> store);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  /// What was given is written first.
  ~Writer();

  /// Waits until nothing is being written. False where STOP came first.
  bool wait(const std::stop_token& stop);
  /// ENTRIES, at least one, go to the store soon; where those before are still being written, they
  /// are dropped. Where no thread can be started, they are there when this returns.
  void write(std::vector<NewEntry> entries);
  /// What the writing has met since this was last asked.
  std::optional<Problem> take_problem();

 private:
  void run(const std::stop_token& stop);
  void insert() noexcept;

  std::shared_ptr<Store> store_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<NewEntry> entries_;  // until they are written
  std::optional<Problem> problem_;
  std::jthread thread_;
};

}  // namespace latentsync::cache
