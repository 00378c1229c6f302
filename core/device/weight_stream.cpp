#include "core/device/weight_stream.h"

#include "core/device/executor.h"
#include "core/device/fence.h"

#include <algorithm>
#include <utility>

#include <c10/core/StreamGuard.h>

namespace latentsync::device {

WeightStream::WeightStream(std::vector<std::vector<at::Tensor>> blocks, c10::Device device)
    : device_(device) {
  for (auto& weights : blocks) blocks_.emplace_back(std::move(weights));
  move_to_host();
}

void WeightStream::move_to_host() {
  for (auto& block : blocks_) block.host = host_memory(block.layout.bytes(), device_);
  for (auto& block : blocks_) {
    block.layout.copy_to(block.host);
    block.layout.place_in(block.host);
  }
}

void WeightStream::place_in_host() {
  for (auto& block : blocks_) block.layout.place_in(block.host);
}

void WeightStream::make_slots() {
  std::array<int64_t, 2> bytes = {0, 0};
  for (size_t i = 0; i < blocks_.size(); ++i) {
    auto& most = bytes[i % bytes.size()];
    most = std::max(most, blocks_[i].layout.bytes());
  }
  std::array<Slot, 2> made;
  for (size_t k = 0; k < made.size(); ++k) {
    made[k].memory = device_memory(bytes[k], device_);
    if (device_.is_cpu()) continue;
    // It is freed for the stream that tasks work on; copies may still be on their way then.
    made[k].memory.record_stream(Executor::of(device_).copy_stream());
    made[k].copied.emplace(device_.type());
  }
  slots_ = std::move(made);
  for (size_t i = 0; i < blocks_.size(); ++i) blocks_[i].layout.place_in(slot_of(i).memory);
}

void WeightStream::before(size_t block) {
  if (block >= blocks_.size()) return;
  if (!slots_.front().memory.defined()) make_slots();
  if (slot_of(block).block != block) load(block);
  wait_for(slot_of(block));
  // With an odd number of blocks the first one has the place of the last.
  const size_t next = (block + 1) % blocks_.size();
  auto& other = slot_of(next);
  if (&other != &slot_of(block) && other.block != next) load(next);
}

void WeightStream::load(size_t block) {
  auto& slot = slot_of(block);
  const auto& host = blocks_[block].host;
  const auto target = slot.memory.narrow(0, 0, host.numel());
  slot.block.reset();
  if (device_.is_cpu()) {
    target.copy_(host);
  } else {
    // What has been launched so far may read the block that is overwritten.
    const auto& executor = Executor::of(device_);
    c10::Event launched(device_.type());
    launched.record(executor.stream());
    launched.block(executor.copy_stream());
    const c10::StreamGuard guard(executor.copy_stream());
    target.copy_(host, /*non_blocking=*/true);
    slot.copied->record(executor.copy_stream());
  }
  slot.block = block;
}

void WeightStream::wait_for(const Slot& slot) const {
  if (slot.copied) slot.copied->block(Executor::of(device_).stream());
}

// Memory of the host must not go while the device copies from it.
void WeightStream::finish_copies() const {
  if (!device_.is_cpu()) Executor::of(device_).copy_stream().synchronize();
}

WeightStream::~WeightStream() {
  try {
    const CurrentDevice current(device_);
    finish_copies();
    slots_ = {};
  } catch (...) {
    // A device that fails copies nothing any more.
  }
}

void WeightStream::park() {
  place_in_host();
  slots_ = {};
}

void WeightStream::end() {
  std::vector<at::Tensor> memories;
  memories.reserve(blocks_.size());
  for (const auto& block : blocks_) {
    memories.push_back(device_memory(block.layout.bytes(), device_));
    memories.back().copy_(block.host);
  }
  for (size_t i = 0; i < blocks_.size(); ++i) blocks_[i].layout.place_in(memories[i]);
  finish_copies();
  blocks_.clear();
  slots_ = {};
}

int64_t WeightStream::device_bytes() const {
  int64_t bytes = 0;
  for (const auto& slot : slots_) bytes += slot.memory.defined() ? slot.memory.numel() : 0;
  return bytes;
}

ParkedWeights::ParkedWeights(std::vector<at::Tensor> weights, c10::Device device)
    : device_(device), layout_(std::move(weights)), host_(host_memory(layout_.bytes(), device)) {
  layout_.copy_to(host_);
  layout_.place_in(host_);
}

ParkedWeights::~ParkedWeights() {
  try {
    synchronize(device_);
  } catch (...) {
    // Likewise.
  }
}

void ParkedWeights::bring() {
  if (on_device_.defined()) return;
  auto memory = device_memory(layout_.bytes(), device_);
  memory.copy_(host_, /*non_blocking=*/true);  // on the stream that uses it next
  layout_.place_in(memory);
  on_device_ = std::move(memory);
}

void ParkedWeights::park() {
  layout_.place_in(host_);
  on_device_.reset();
}

}  // namespace latentsync::device
