#include "core/device/task_queue.h"

#include <algorithm>
#include <compare>

namespace latentsync::device {

Client::Counts Client::counts() const {
  return {tasks_, most_turns_waited_, waited_ns_, host_waits_, uploaded_bytes_};
}

// Less is more urgent; tasks that are equal have their turns in the order of posting.
struct TaskQueue::Urgency {
  bool unhurried = false;
  int64_t deadline_ns = 0;
  uint64_t last_turn = 0;

  auto operator<=>(const Urgency&) const = default;
};

void TaskQueue::push(QueuedTask& task) {
  if (task.client == nullptr) task.client = &shared_;
  task.posted_turn = turns_;
  tasks_.push_back(&task);
}

void TaskQueue::remove(const QueuedTask& task) { std::erase(tasks_, &task); }

TaskQueue::Urgency TaskQueue::urgency_of(const QueuedTask& task, int64_t now_ns) const {
  if (task.deadline_ns) return {.deadline_ns = std::max(*task.deadline_ns, task.posted_ns)};
  const int64_t end_of_patience = task.posted_ns + patience_ns_;
  if (end_of_patience <= now_ns) return {.deadline_ns = end_of_patience};
  return {.unhurried = true, .last_turn = task.client->last_turn_};
}

bool TaskQueue::alone(int64_t now_ns) const {
  return last_ != nullptr && now_ns - since_ns_ >= kAloneNs &&
         std::ranges::all_of(tasks_, [&](const QueuedTask* task) { return task->client == last_; });
}

QueuedTask& TaskQueue::pop(int64_t now_ns) {
  const auto chosen = std::ranges::min_element(
      tasks_, {}, [&](const QueuedTask* task) { return urgency_of(*task, now_ns); });
  QueuedTask& task = **chosen;
  tasks_.erase(chosen);
  Client& client = *task.client;
  const auto waited = static_cast<int64_t>(turns_ - task.posted_turn);
  client.last_turn_ = ++turns_;
  if (last_ != &client) since_ns_ = now_ns;
  last_ = &client;
  ++client.tasks_;
  client.waited_ns_ += now_ns - task.posted_ns;
  if (waited > client.most_turns_waited_) client.most_turns_waited_ = waited;
  return task;
}

}  // namespace latentsync::device
