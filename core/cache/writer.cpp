#include "core/cache/writer.h"

#include <cerrno>
#include <utility>

namespace latentsync::cache {

Writer::Writer(std::shared_ptr<Store> store) : store_(std::move(store)) {}

Writer::~Writer() { wait({}); }

bool Writer::wait(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait(lock, stop, [&] { return entries_.empty(); });
}

void Writer::write(std::vector<NewEntry> entries) {
  {
    const std::lock_guard lock(mutex_);
    if (!entries_.empty()) return;
    entries_ = std::move(entries);
  }
  changed_.notify_all();
  if (thread_.joinable()) return;
  try {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  } catch (...) {
    insert();
  }
}

std::optional<Problem> Writer::take_problem() {
  const std::lock_guard lock(mutex_);
  return std::exchange(problem_, std::nullopt);
}

void Writer::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !entries_.empty(); })) {
    lock.unlock();
    insert();
    lock.lock();
  }
}

void Writer::insert() noexcept {
  std::optional<Problem> problem;
  for (const auto& entry : entries_) {
    try {
      auto met = store_->insert(entry.key, entry.payload.span());
      if (!problem) problem = std::move(met);
    } catch (...) {
      problem = write_problem(store_->folder(), ENOMEM);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    entries_.clear();
    if (problem) problem_ = std::move(problem);
  }
  changed_.notify_all();
}

}  // namespace latentsync::cache
