#pragma once

#include "core/device/task_queue.h"

#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <sys/types.h>
#include <type_traits>
#include <utility>

#include <c10/core/Device.h>
#include <c10/core/Stream.h>
#include <c10/util/FunctionRef.h>

namespace latentsync::device {

struct TaskOptions {
  Client* client = nullptr;            ///< whose turn it is; null: one that all such tasks share
  std::optional<int64_t> deadline_ns;  ///< when the client needs its result, on steady_clock
  std::stop_token stop;                ///< gives up the wait for a turn
  /// run() returns when the device has finished the work, and its tensors can be used anywhere.
  /// False: when the work is launched; its tensors may then be used by later tasks alone, and no
  /// memory of the host that it reads or writes may be touched before one that waits has ended.
  bool wait = true;
};

/// The owner of a device: one thread that all work of the device is done by, one task after the
/// other, in the order that TaskQueue describes. LibTorch keeps plans of cuDNN and pools of OpenMP
/// threads for each thread that asks for them: here they exist once a device. On an accelerator a
/// stream of its own is current on the thread, not ordered with the default stream; the next task
/// is chosen when the device has finished the last, so that a more urgent one waits for no more
/// than one; but tasks that only launch work follow each other at once while one client has had the
/// device to itself for TaskQueue::kAloneNs. Long work is therefore posted in parts: a denoising
/// step, a batch of the autoencoder. On a CPU a task uses as many cores as the calling thread's
/// at::get_num_threads() gives, and OMP_NUM_THREADS with it, however many clients there are.
class Executor {
 public:
  /// DEVICE's; a CUDA device without an index is the first one. It is made when it is first asked
  /// for and lives as long as the process, its thread included. From any thread. Errors:
  /// kOutOfMemory where no thread can be started.
  static Executor& of(c10::Device device);

  /// WORK's result, when it has had its turn: called on the executor's thread, in inference mode.
  /// What WORK throws is thrown here. Called from the executor's thread it is called at once:
  /// a task may consist of functions that post tasks. Guards of LibTorch and other states of the
  /// calling thread do not reach WORK. Errors: kCancelled if the stop comes before WORK is begun
  /// (afterwards WORK itself answers it); kDevice if the device cannot be used, or if the process
  /// was forked since the executor was made; what the device reports.
  template <std::invocable Work>
  auto run(const TaskOptions& options, Work&& work) -> std::invoke_result_t<Work&> {
    using Value = std::invoke_result_t<Work&>;
    if constexpr (std::is_void_v<Value>) {
      run_task(options, work);
    } else {
      std::optional<Value> value;
      run_task(options, [&] { value.emplace(work()); });
      return std::move(*value);
    }
  }

  /// Whether the caller is the executor's thread.
  bool is_current() const;
  c10::Device device() const { return device_; }
  /// The caller's, in a task; null elsewhere.
  static const Executor* current();
  /// In a task: counts a wait of the host, or bytes on their way to the device, for the task's
  /// client.
  void count_wait() const;
  void count_upload(int64_t bytes) const;
  /// Tasks that wait for their turn.
  size_t waiting() const;

  /// The stream that tasks work on, and one for copies beside them; a CPU has one that does
  /// nothing. To be used by tasks.
  c10::Stream stream() const { return stream_; }
  c10::Stream copy_stream() const { return copy_stream_; }

 private:
  struct Task;

  explicit Executor(c10::Device device);
  void run_task(const TaskOptions& options, c10::function_ref<void()> work);
  void begin();
  void serve();
  void work_in_turns();
  std::exception_ptr perform(Task& task);
  void synchronize() const;

  const c10::Device device_;
  const pid_t process_;
  c10::Stream stream_, copy_stream_;
  std::exception_ptr failure_;  // of the device: nothing can be done any more
  Client* client_ = nullptr;  // of the task that is being done; the executor's thread alone uses it

  mutable std::mutex mutex_;
  std::condition_variable posted_;
  std::condition_variable_any finished_;
  TaskQueue queue_;
};

}  // namespace latentsync::device
