#pragma once

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/Event.h>

namespace latentsync::device {

/// How long stages of work take. On an accelerator that is the time between two events on the
/// calling thread's current stream: nobody waits for the device, and the times are known when it
/// has passed them. On a CPU it is the wall-clock time. For one thread at a time, and on an
/// accelerator not for stages within stages of the same clock on different streams.
class StageClock {
 public:
  explicit StageClock(c10::Device device) : device_(device) {}
  StageClock(const StageClock&) = delete;
  StageClock& operator=(const StageClock&) = delete;
  ~StageClock();

  /// WORK's result. Its time is added to SECONDS by collect(), which SECONDS must live for; where
  /// WORK throws it is lost.
  template <typename Work>
  auto timed(double& seconds, Work&& work) -> std::invoke_result_t<Work> {
    Stage stage = begin(seconds);
    if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
      std::forward<Work>(work)();
      end(std::move(stage));
    } else {
      auto result = std::forward<Work>(work)();
      end(std::move(stage));
      return result;
    }
  }

  /// Adds the times of all stages since the last call; waits for stages that the device has not
  /// finished. Errors: what the device reports.
  void collect();

 private:
  using Clock = std::chrono::steady_clock;
  struct Stage {
    double* seconds;
    Clock::time_point began = {}, ended = {};         // on a CPU
    std::optional<c10::Event> first = {}, last = {};  // elsewhere
  };

  Stage begin(double& seconds) const;
  void end(Stage stage);
  std::optional<c10::Event> event_now() const;

  c10::Device device_;
  std::vector<Stage> stages_;
};

}  // namespace latentsync::device
