#pragma once

#include "core/device/executor.h"

#include <cstdlib>
#include <string>
#include <utility>

#include <c10/core/Device.h>

/// The device of this test run, and its tasks.
namespace latentsync::device {

/// LATENTSYNC_TEST_DEVICE (cpu, cuda, cuda:N), else the CPU.
inline c10::Device test_device() {
  const char* name = std::getenv("LATENTSYNC_TEST_DEVICE");
  const c10::Device device(name != nullptr && *name != '\0' ? std::string(name) : "cpu");
  return device.is_cpu() || device.has_index() ? device : c10::Device(device.type(), 0);
}

/// WORK in a task of the device's executor, as the engine does its own.
template <typename Work>
void in_task(Work&& work) {
  Executor::of(test_device()).run({}, std::forward<Work>(work));
}

}  // namespace latentsync::device
