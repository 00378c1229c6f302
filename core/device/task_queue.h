#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

/// In which order those who share a device have their turns.
namespace latentsync::device {

/// One of those who share a device, a session for example: tasks of the same client are counted
/// together. It must outlive its tasks. For any thread.
class Client {
 public:
  struct Counts {
    int64_t tasks = 0;              ///< that have begun
    int64_t most_turns_waited = 0;  ///< the most tasks of others that a task has waited for; one
                                    ///< that was running already is counted
    int64_t waited_ns = 0;          ///< of all tasks
    int64_t host_waits = 0;         ///< of the host for the device: tasks with TaskOptions::wait,
                                    ///< and read_back() in any task
    int64_t uploaded_bytes = 0;     ///< by upload() in tasks
  };

  Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Counts counts() const;

 private:
  friend class TaskQueue;
  friend class Executor;

  std::atomic<int64_t> tasks_ = 0, most_turns_waited_ = 0, waited_ns_ = 0;
  std::atomic<int64_t> host_waits_ = 0, uploaded_bytes_ = 0;
  uint64_t last_turn_ = 0;  // of the queue; 0: none yet. The queue's owner guards it
};

/// A task that waits for its turn. Times are nanoseconds of one clock.
struct QueuedTask {
  Client* client = nullptr;            ///< null: one client that all such tasks share
  std::optional<int64_t> deadline_ns;  ///< when its client needs the result
  int64_t posted_ns = 0;
  uint64_t posted_turn = 0;  ///< filled by the queue
};

/// Tasks that wait for a device, the most urgent first:
/// 1. tasks with a deadline, the earliest first. One that had passed already when the task was
///    posted counts as the moment of posting, so that a client who is always late takes turns with
///    the others;
/// 2. tasks without one. Those of the client whose last turn is longest ago are first, so that no
///    client has two turns while another one waits.
/// A task without a deadline gets one when it has waited for PATIENCE: then it counts as one whose
/// deadline passes at that moment, and no stream of tasks with deadlines can keep it waiting.
/// Not synchronised.
class TaskQueue {
 public:
  static constexpr int64_t kPatienceNs = 2'000'000'000;
  static constexpr int64_t kAloneNs = 10'000'000'000;

  explicit TaskQueue(int64_t patience_ns = kPatienceNs) : patience_ns_(patience_ns) {}

  /// TASK must live until pop() returns it or remove() takes it out.
  void push(QueuedTask& task);
  /// Takes out a task that has been pushed and not popped.
  void remove(const QueuedTask& task);
  /// Takes out the most urgent one, whose turn it is now, and counts it for its client. The queue
  /// must not be empty.
  QueuedTask& pop(int64_t now_ns);

  /// Whether all turns of the last kAloneNs, the last one included, were one client's, and no other
  /// client has a task here: then work that is launched ahead delays no other client.
  bool alone(int64_t now_ns) const;

  bool empty() const { return tasks_.empty(); }
  size_t size() const { return tasks_.size(); }

 private:
  struct Urgency;
  Urgency urgency_of(const QueuedTask& task, int64_t now_ns) const;

  int64_t patience_ns_;
  std::vector<QueuedTask*> tasks_;  // in the order in which they were posted
  Client shared_;                   // of the tasks without one
  uint64_t turns_ = 0;              // begun so far
  const Client* last_ = nullptr;    // of the last turn; compared only
  int64_t since_ns_ = 0;            // of the first of the turns that were all LAST's
};

}  // namespace latentsync::device
