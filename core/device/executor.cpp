#include "core/device/executor.h"

#include "core/error.h"

#include <chrono>
#include <map>
#include <memory>
#ifdef _OPENMP
#include <omp.h>
#endif
#include <pthread.h>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace latentsync::device {
namespace {

thread_local const Executor* of_this_thread = nullptr;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

c10::Device with_index(c10::Device device) {
  if (device.is_cpu()) return c10::kCPU;
  return device.has_index() ? device : c10::Device(device.type(), 0);
}

c10::Stream no_stream() { return c10::Stream(c10::Stream::DEFAULT, c10::kCPU); }

// For this thread alone: at::set_num_threads() would be for the application, too.
void use_threads([[maybe_unused]] int count) {
#ifdef _OPENMP
  ::omp_set_num_threads(count);
#endif
}

// ATen sets a thread's number of threads when it first asks for it, once in LibTorch and once in
// each library that has parallel regions of its own: not in the middle of a task.
void begin_threads() {
  at::get_num_threads();
  at::parallel_for(0, 1, 1, [](int64_t, int64_t) {});
}

[[noreturn]] void cancel() {
  throw Error(ErrorCode::kCancelled, "Waiting for the device was cancelled.");
}

}  // namespace

struct Executor::Task : QueuedTask {
  Task(const TaskOptions& options, c10::function_ref<void()> work)
      : QueuedTask{.client = options.client,
                   .deadline_ns = options.deadline_ns,
                   .posted_ns = now_ns()},
        options(options),
        work(work),
        threads(at::get_num_threads()) {}

  enum class State { kWaiting, kRunning, kFinished };

  const TaskOptions& options;
  c10::function_ref<void()> work;
  int threads;  // of a parallel region, as the caller has it
  State state = State::kWaiting;
  std::exception_ptr failure;
};

Executor& Executor::of(c10::Device device) {
  // Never destroyed: their threads may be at work when the process ends.
  static auto& mutex = *new std::mutex;
  static auto& executors = *new std::map<std::string, std::unique_ptr<Executor>>;
  const auto named = with_index(device);
  const std::lock_guard lock(mutex);
  auto& executor = executors[named.str()];
  if (!executor) {
    std::unique_ptr<Executor> made(new Executor(named));
    made->begin();
    executor = std::move(made);
  }
  return *executor;
}

Executor::Executor(c10::Device device)
    : device_(device), process_(::getpid()), stream_(no_stream()), copy_stream_(no_stream()) {}

void Executor::begin() {
  const auto name = ("lipsync-" + device_.str()).substr(0, 15);  // the system's limit
  std::thread thread;
  try {
    thread = std::thread([this] { serve(); });
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::kOutOfMemory,
                "No more threads can be started (ulimit -u, or the limit of a container). Raise "
                "the limit, or end other programs of this user.",
                error.what());
  }
  ::pthread_setname_np(thread.native_handle(), name.c_str());
  thread.detach();
}

bool Executor::is_current() const { return of_this_thread == this; }

const Executor* Executor::current() { return of_this_thread; }

void Executor::count_wait() const { ++client_->host_waits_; }

void Executor::count_upload(int64_t bytes) const { client_->uploaded_bytes_ += bytes; }

size_t Executor::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void Executor::run_task(const TaskOptions& options, c10::function_ref<void()> work) {
  if (is_current()) return work();
  if (::getpid() != process_) {
    throw Error(ErrorCode::kDevice,
                "The process was forked after the engine had been used. Load the engine in the "
                "child process alone.");
  }
  Task task(options, work);
  std::unique_lock lock(mutex_);
  queue_.push(task);
  posted_.notify_one();
  finished_.wait(lock, options.stop, [&] { return task.state != Task::State::kWaiting; });
  if (task.state == Task::State::kWaiting) {
    queue_.remove(task);
    cancel();
  }
  finished_.wait(lock, [&] { return task.state == Task::State::kFinished; });
  lock.unlock();
  if (task.failure) std::rethrow_exception(std::move(task.failure));
}

void Executor::serve() {
  of_this_thread = this;
  const c10::InferenceMode inference;
  begin_threads();
  if (device_.is_cpu()) return work_in_turns();
  c10::OptionalStreamGuard guard;
  try {
    const c10::impl::VirtualGuardImpl streams(device_.type());
    stream_ = streams.getStreamFromGlobalPool(device_);
    copy_stream_ = streams.getStreamFromGlobalPool(device_);
    guard.reset_stream(stream_);
  } catch (...) {
    failure_ = std::current_exception();
  }
  work_in_turns();
}

void Executor::work_in_turns() {
  for (;;) {
    std::unique_lock lock(mutex_);
    posted_.wait(lock, [&] { return !queue_.empty(); });
    auto& task = static_cast<Task&>(queue_.pop(now_ns()));
    task.state = Task::State::kRunning;
    lock.unlock();

    const bool wait = task.options.wait;
    client_ = task.client;
    auto failure = perform(task);
    client_ = nullptr;
    lock.lock();
    task.failure = std::move(failure);
    task.state = Task::State::kFinished;
    finished_.notify_all();  // under the lock: the task's owner may be gone right after
    const bool alone = queue_.alone(now_ns());
    lock.unlock();

    // What is launched on one stream is done in order: only the next turn's choice needs the wait.
    if (wait || failure_ || alone) continue;
    try {
      synchronize();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
}

// What has gone wrong. The handlers are left before anybody hears of it: an exception may hold
// tensors whose memory is needed to try again.
std::exception_ptr Executor::perform(Task& task) {
  if (failure_) return failure_;
  std::exception_ptr failure;
  try {
    if (task.options.stop.stop_requested()) cancel();
    use_threads(task.threads);
    task.work();
  } catch (...) {
    failure = std::current_exception();
  }
  // Whatever has been launched may use the caller's memory.
  try {
    if (task.options.wait) count_wait();
    if (failure || task.options.wait) synchronize();
  } catch (...) {
    if (!failure) failure = std::current_exception();
  }
  return failure;
}

void Executor::synchronize() const {
  if (!device_.is_cpu()) stream_.synchronize();
}

}  // namespace latentsync::device
