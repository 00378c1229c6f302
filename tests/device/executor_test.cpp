#include "core/device/executor.h"

#include "core/device/transfer.h"
#include "core/error.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <numeric>
#include <semaphore>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::device {
namespace {

using namespace std::chrono_literals;

Executor& cpu() { return Executor::of(c10::kCPU); }

int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch() / 1ns; }

void wait_for_tasks(size_t count) {
  while (cpu().waiting() != count) std::this_thread::sleep_for(1ms);
}

// While it lives, the executor is busy with a task of its own.
class Busy {
 public:
  Busy()
      : thread_([this] {
          cpu().run({}, [this] {
            begun_.release();
            end_.acquire();
          });
        }) {
    begun_.acquire();
  }
  ~Busy() { end(); }
  void end() {
    if (!thread_.joinable()) return;
    end_.release();
    thread_.join();
  }

 private:
  std::binary_semaphore begun_{0}, end_{0};
  std::thread thread_;
};

template <typename Work>
ErrorCode code_of(Work&& work) {
  try {
    std::forward<Work>(work)();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

// Work is done on one thread, always the same, in inference mode, and its result comes back.
TEST(DeviceExecutor, ItHasOneThread) {
  EXPECT_EQ(&Executor::of(c10::kCPU), &cpu());
  const auto thread = cpu().run({}, [] { return std::this_thread::get_id(); });
  EXPECT_NE(thread, std::this_thread::get_id());
  std::thread([&] {
    EXPECT_EQ(cpu().run({}, [] { return std::this_thread::get_id(); }), thread);
  }).join();
  EXPECT_FALSE(cpu().is_current());
  EXPECT_TRUE(cpu().run({}, [] { return cpu().is_current(); }));
  EXPECT_TRUE(cpu().run({}, [] { return at::ones({2}); }).is_inference());
  const auto moved = cpu().run({}, [] { return std::make_unique<int>(3); });
  EXPECT_EQ(*moved, 3);
}

// A task that posts a task does not wait for itself.
TEST(DeviceExecutor, TasksOfATaskRunInPlace) {
  EXPECT_EQ(cpu().run({}, [] { return cpu().run({}, [] { return 5; }) + 1; }), 6);
}

// A task has as many threads as its caller, and the application's own number stays what it is.
TEST(DeviceExecutor, TheNumberOfThreadsIsTheCallers) {
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  EXPECT_EQ(cpu().run({}, [] { return at::get_num_threads(); }), 3);
  at::set_num_threads(1);
  EXPECT_EQ(cpu().run({}, [] { return at::get_num_threads(); }), 1);
  EXPECT_EQ(at::get_num_threads(), 1);
  at::set_num_threads(before);
}

// What work throws arrives at the caller, and the thread goes on.
TEST(DeviceExecutor, ExceptionsReachTheCaller) {
  const auto code =
      code_of([] { cpu().run({}, [] { throw Error(ErrorCode::kForeignModel, "no"); }); });
  EXPECT_EQ(code, ErrorCode::kForeignModel);
  EXPECT_EQ(cpu().run({}, [] { return 1; }), 1);
}

// Whoever calls has the last reference to the exception, and to the tensors in it: the executor
// keeps none while the caller tries again.
TEST(DeviceExecutor, ExceptionsAreNotKept) {
  struct Loud : std::runtime_error {
    explicit Loud(std::shared_ptr<int> value) : runtime_error(""), value(std::move(value)) {}
    std::shared_ptr<int> value;
  };
  std::weak_ptr<int> watched;
  try {
    cpu().run({}, [&] {
      const auto value = std::make_shared<int>(1);
      watched = value;
      throw Loud(value);
    });
  } catch (const Loud&) {
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

// The more urgent task overtakes those that wait already.
TEST(DeviceExecutor, TheMoreUrgentTaskIsNext) {
  Busy busy;
  std::vector<std::string> order;
  std::vector<std::thread> threads;
  const auto post = [&](std::string name, std::optional<int64_t> deadline) {
    threads.emplace_back([&order, name, deadline] {
      cpu().run({.deadline_ns = deadline}, [&] { order.push_back(name); });
    });
    wait_for_tasks(threads.size());
  };
  const auto now = now_ns();
  post("whenever", {});
  post("later", now + 20'000'000'000);
  post("soon", now + 10'000'000'000);
  busy.end();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector<std::string>{"soon", "later", "whenever"}));
}

// A stop ends the wait for a turn at once; work that has begun is not torn away.
TEST(DeviceExecutor, AStopEndsTheWait) {
  std::stop_source stop;
  {
    Busy busy;
    bool begun = false;
    auto waiting = std::async(std::launch::async, [&] {
      return code_of([&] { cpu().run({.stop = stop.get_token()}, [&] { begun = true; }); });
    });
    wait_for_tasks(1);
    stop.request_stop();
    EXPECT_EQ(waiting.get(), ErrorCode::kCancelled);
    EXPECT_FALSE(begun);
    EXPECT_EQ(cpu().waiting(), 0U);
  }
  EXPECT_EQ(code_of([&] { cpu().run({.stop = stop.get_token()}, [] {}); }), ErrorCode::kCancelled);

  std::stop_source in_work;
  const bool ended = cpu().run({.stop = in_work.get_token()}, [&] {
    in_work.request_stop();
    std::this_thread::sleep_for(5ms);
    return true;
  });
  EXPECT_TRUE(ended);
}

// A client that is in a hurry waits for at most one task of one that posts without end.
TEST(DeviceExecutor, AHurryWaitsForOneTask) {
  Client slow, live;
  std::atomic<bool> enough = false;
  std::thread endless([&] {
    while (!enough) cpu().run({.client = &slow}, [] { std::this_thread::sleep_for(2ms); });
  });
  while (slow.counts().tasks == 0) std::this_thread::yield();
  for (int i = 0; i < 50; ++i) {
    cpu().run({.client = &live, .deadline_ns = now_ns() + 1'000'000}, [] {});
  }
  enough = true;
  endless.join();
  EXPECT_EQ(live.counts().tasks, 50);
  EXPECT_LE(live.counts().most_turns_waited, 1);
}

// Many clients at once, some of which give up: each task that is not cancelled is run once, no two
// at the same time, and nobody waits for more than the others' tasks twice over.
TEST(DeviceExecutor, ManyClientsAtOnce) {
  constexpr int kClients = 8;
  constexpr int kTasks = 300;
  std::vector<Client> clients(kClients);
  std::atomic<int> inside = 0, run = 0, cancelled = 0;
  std::atomic<bool> alone = true;
  std::vector<std::thread> threads;
  for (int k = 0; k < kClients; ++k) {
    threads.emplace_back([&, k] {
      for (int i = 0; i < kTasks; ++i) {
        std::stop_source stop;
        std::thread stopper;
        if (i % 50 == 0) stopper = std::thread([&] { stop.request_stop(); });
        try {
          cpu().run({.client = &clients[k], .stop = stop.get_token()}, [&] {
            if (++inside != 1) alone = false;
            ++run;
            --inside;
          });
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kCancelled);
          ++cancelled;
        }
        if (stopper.joinable()) stopper.join();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(alone);
  EXPECT_EQ(run + cancelled, kClients * kTasks);
  for (const auto& client : clients) EXPECT_LE(client.counts().most_turns_waited, 2 * kClients);
}

// Counted for its client is each time that the host waits for the device: at the end of a task that
// waits, and where a task reads something back. What is only launched costs none.
TEST(DeviceExecutor, CountsTheWaitsOfTheHost) {
  Client client, other;
  const auto values = at::ones({2});
  cpu().run({.client = &client, .wait = false}, [&] { values.add(1); });
  EXPECT_EQ(client.counts().host_waits, 0);
  cpu().run({.client = &client}, [] {});
  EXPECT_EQ(client.counts().host_waits, 1);
  cpu().run({.client = &client, .wait = false}, [&] {
    read_back(values);
    // Work within a task is the task's.
    cpu().run({.client = &other}, [&] { EXPECT_TRUE(read_back(values).equal(values)); });
  });
  EXPECT_EQ(client.counts().host_waits, 3);
  read_back(values);
  EXPECT_EQ(client.counts().host_waits, 3);
  EXPECT_EQ(other.counts().host_waits, 0);
  EXPECT_EQ(Executor::current(), nullptr);
}

// A device that is not there is an error of the task, not of the thread.
TEST(DeviceExecutor, AMissingDeviceIsAnError) {
  EXPECT_ANY_THROW(Executor::of(c10::Device(c10::kXLA, 0)).run({}, [] {}));
  EXPECT_ANY_THROW(Executor::of(c10::Device(c10::kXLA, 0)).run({}, [] {}));
}

// A child process does not wait for a thread that it has not got, and can exit.
TEST(DeviceExecutor, AForkedChildGetsAnError) {
  cpu().run({}, [] {});
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(20);
    ::_exit(code_of([] { cpu().run({}, [] {}); }) == ErrorCode::kDevice ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace latentsync::device
