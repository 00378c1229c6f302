#pragma once

#include "core/device/weight_layout.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

namespace latentsync::device {

/// A network whose blocks lie in host memory and are on the device two at a time: while one is
/// evaluated, the next is on its way. Blocks are evaluated in order, again and again; an evaluation
/// may end early. Two blocks of memory of the device take turns; each block of the network has its
/// place in one of them for good, so that a block on its way costs one copy and nothing else.
///
/// To be made, used and destroyed by tasks of the device's executor, whose copy stream it uses;
/// nobody else may evaluate the network meanwhile.
class WeightStream {
 public:
  /// BLOCKS: the weights of each, wherever they lie now. Errors: c10::Error where memory of the
  /// host or the device runs out. For the host's nothing is changed; for the device's, the weights
  /// lie in host memory afterwards, and another WeightStream can be made of them.
  WeightStream(std::vector<std::vector<at::Tensor>> blocks, c10::Device device);
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;
  ~WeightStream();

  /// To be called right before the kernels of block number BLOCK are launched: its weights are
  /// there for them, and the next block's are on their way. A number behind the last is no
  /// block of this stream and ignored. Errors: c10::Error where the device has no memory for two
  /// blocks; all weights lie in host memory then.
  void before(size_t block);

  /// Gives the device's memory back until before() is called again.
  void park();

  /// Puts all weights back onto the device, each block into memory of its own; the stream is not to
  /// be used any more. Errors: c10::Error where the device's memory runs out; nothing is changed
  /// then.
  void end();

  /// Of the device, for weights.
  int64_t device_bytes() const;

 private:
  struct Block {
    explicit Block(std::vector<at::Tensor> weights) : layout(std::move(weights)) {}
    WeightLayout layout;
    at::Tensor host;
  };
  struct Slot {
    at::Tensor memory;
    std::optional<size_t> block;  // whose weights it holds, or will when `copied` has passed
    std::optional<c10::Event> copied = {};  // on an accelerator
  };

  Slot& slot_of(size_t block) { return slots_[block % slots_.size()]; }
  void move_to_host();
  void make_slots();
  void load(size_t block);
  void wait_for(const Slot& slot) const;
  void finish_copies() const;
  void place_in_host();

  c10::Device device_;
  std::vector<Block> blocks_;
  std::array<Slot, 2> slots_;
};

/// A network that is on the device only while it is needed; otherwise its weights lie in host
/// memory. To be made, used and destroyed by tasks of the device's executor; nobody else may
/// evaluate the network meanwhile.
class ParkedWeights {
 public:
  /// The weights are moved to host memory. Errors: c10::Error where it runs out; nothing is changed
  /// then.
  ParkedWeights(std::vector<at::Tensor> weights, c10::Device device);
  ParkedWeights(const ParkedWeights&) = delete;
  ParkedWeights& operator=(const ParkedWeights&) = delete;
  ~ParkedWeights();

  /// Copies them onto the device, where they are not there yet. Errors: c10::Error where its memory
  /// runs out; nothing is changed then.
  void bring();
  /// Frees the device's memory that they take.
  void park();

  int64_t device_bytes() const { return on_device_.defined() ? layout_.bytes() : 0; }

 private:
  c10::Device device_;
  WeightLayout layout_;
  at::Tensor host_, on_device_;
};

}  // namespace latentsync::device
