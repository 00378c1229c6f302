#include "core/cache/writer.h"

#include <cerrno>
#include <utility>

namespace latentsync::cache {

Writer::Writer(std::shared_ptr<Store> store) : store_(std::move(store)) {}

Writer::~Writer() { wait({}); }

bool Writer::wait(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait(lock, stop, [&] { return !entry_; });
}

void Writer::write(const Key& key, Bytes payload) {
  {
    const std::lock_guard lock(mutex_);
    if (entry_) return;
    entry_ = {key, std::move(payload)};
  }
  changed_.notify_all();
  if (thread_.joinable()) return;
  try {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  } catch (...) {
    insert(*entry_);
    const std::lock_guard lock(mutex_);
    entry_.reset();
  }
}

std::optional<Problem> Writer::take_problem() {
  const std::lock_guard lock(mutex_);
  return std::exchange(problem_, std::nullopt);
}

void Writer::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return entry_.has_value(); })) {
    lock.unlock();
    insert(*entry_);
    lock.lock();
    entry_.reset();
    changed_.notify_all();
  }
}

void Writer::insert(const Entry& entry) noexcept {
  std::optional<Problem> problem;
  try {
    problem = store_->insert(entry.key, entry.payload.span());
  } catch (...) {
    problem = write_problem(store_->folder(), ENOMEM);
  }
  if (!problem) return;
  const std::lock_guard lock(mutex_);
  problem_ = std::move(problem);
}

}  // namespace latentsync::cache
