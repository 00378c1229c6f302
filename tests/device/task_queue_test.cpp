#include "core/device/task_queue.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::device {
namespace {

constexpr int64_t kPatience = 1000;

std::vector<const QueuedTask*> all_of(TaskQueue& queue, int64_t now) {
  std::vector<const QueuedTask*> order;
  while (!queue.empty()) order.push_back(&queue.pop(now));
  return order;
}

using Order = std::vector<const QueuedTask*>;

// The earliest deadline comes first; tasks without one come last.
TEST(DeviceTaskQueue, TheEarliestDeadlineIsFirst) {
  TaskQueue queue(kPatience);
  Client a, b, c;
  QueuedTask none{&a, {}, 0}, late{&b, 500, 0}, early{&c, 300, 10};
  for (auto* task : {&none, &late, &early}) queue.push(*task);
  EXPECT_EQ(all_of(queue, 20), (Order{&early, &late, &none}));
}

// Tasks with equal deadlines, and those of one client, have their turns in the order of posting.
TEST(DeviceTaskQueue, EqualTasksKeepTheirOrder) {
  TaskQueue queue(kPatience);
  Client a, b;
  QueuedTask first{&a, 500, 0}, second{&b, 500, 1}, third{nullptr, {}, 2}, fourth{nullptr, {}, 2};
  for (auto* task : {&first, &second, &third, &fourth}) queue.push(*task);
  EXPECT_EQ(all_of(queue, 10), (Order{&first, &second, &third, &fourth}));
}

// Without deadlines clients take turns, however many tasks one of them has posted.
TEST(DeviceTaskQueue, ClientsTakeTurns) {
  TaskQueue queue(kPatience);
  Client busy, other;
  std::array<QueuedTask, 3> many{QueuedTask{&busy, {}, 0}, QueuedTask{&busy, {}, 0},
                                 QueuedTask{&busy, {}, 0}};
  std::array<QueuedTask, 2> few{QueuedTask{&other, {}, 5}, QueuedTask{&other, {}, 5}};
  for (auto& task : many) queue.push(task);
  for (auto& task : few) queue.push(task);
  EXPECT_EQ(all_of(queue, 10), (Order{&many[0], &few[0], &many[1], &few[1], &many[2]}));

  // Also when a client posts its next task only after its last one.
  QueuedTask next_of_other{&other, {}, 20}, next_of_busy{&busy, {}, 21};
  queue.push(next_of_other);
  queue.push(next_of_busy);
  EXPECT_EQ(&queue.pop(30), &next_of_other);
  QueuedTask again{&other, {}, 31};
  queue.push(again);
  EXPECT_EQ(&queue.pop(32), &next_of_busy);
}

// A task without a deadline that has waited for the queue's patience goes before deadlines that
// are later than the end of its patience, and not before earlier ones.
TEST(DeviceTaskQueue, NobodyWaitsForEver) {
  TaskQueue queue(kPatience);
  Client patient, live;
  QueuedTask waiting{&patient, {}, 0};
  queue.push(waiting);
  int64_t now = 0;
  for (;; now += 100) {
    QueuedTask task{&live, now + 50, now};
    queue.push(task);
    if (&queue.pop(now + 10) == &waiting) break;
    ASSERT_LT(now, 2 * kPatience);
  }
  EXPECT_GE(now + 10, kPatience);
  EXPECT_LE(now, kPatience + 100);
}

// A client whose deadlines are always over takes turns with one that has waited.
TEST(DeviceTaskQueue, LatenessIsNoPrivilege) {
  TaskQueue queue(kPatience);
  Client patient, late;
  QueuedTask waiting{&patient, {}, 0}, over{&late, -5000, kPatience + 1};
  queue.push(over);
  queue.push(waiting);
  EXPECT_EQ(&queue.pop(kPatience + 2), &waiting);
}

// A task that is given up leaves the others as they were.
TEST(DeviceTaskQueue, TasksCanBeRemoved) {
  TaskQueue queue(kPatience);
  Client a;
  QueuedTask first{&a, {}, 0}, second{&a, {}, 0}, third{&a, {}, 0};
  for (auto* task : {&first, &second, &third}) queue.push(*task);
  queue.remove(second);
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(all_of(queue, 0), (Order{&first, &third}));
}

// A client knows how many tasks of others its own have waited for.
TEST(DeviceTaskQueue, TurnsAreCounted) {
  TaskQueue queue(kPatience);
  Client a, b;
  QueuedTask first{&a, 1, 0}, second{&a, 2, 0}, third{&b, {}, 0};
  for (auto* task : {&first, &second, &third}) queue.push(*task);
  all_of(queue, 7);
  EXPECT_EQ(a.counts().tasks, 2);
  EXPECT_EQ(a.counts().waited_ns, 14);
  EXPECT_EQ(b.counts().most_turns_waited, 2);
  EXPECT_EQ(b.counts().tasks, 1);
}

// A client is alone after a time in which all turns were its own, until another one has a task.
TEST(DeviceTaskQueue, AClientIsAloneAfterATime) {
  TaskQueue queue(kPatience);
  Client a, b;
  EXPECT_FALSE(queue.alone(2 * TaskQueue::kAloneNs)) << "nobody has had a turn";
  QueuedTask first{&a, {}, 0}, second{&a, {}, 10}, other{&b, {}, 20}, third{&a, {}, 30};
  queue.push(first);
  queue.pop(5);
  EXPECT_FALSE(queue.alone(4 + TaskQueue::kAloneNs));
  EXPECT_TRUE(queue.alone(5 + TaskQueue::kAloneNs));
  queue.push(second);
  EXPECT_TRUE(queue.alone(5 + TaskQueue::kAloneNs)) << "its own task waits";
  queue.push(other);
  EXPECT_FALSE(queue.alone(5 + TaskQueue::kAloneNs)) << "another client's task waits";
  const int64_t later = 5 + TaskQueue::kAloneNs;
  queue.pop(later);
  queue.pop(later);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.alone(later)) << "another client has had a turn";
  queue.push(third);
  queue.pop(later + 1);
  EXPECT_FALSE(queue.alone(later + TaskQueue::kAloneNs));
  EXPECT_TRUE(queue.alone(later + 1 + TaskQueue::kAloneNs));
}

}  // namespace
}  // namespace latentsync::device
