#include "core/lipsync/device_work.h"

#include <ATen/DeviceAccelerator.h>

namespace latentsync::lipsync {

void DeviceWork::recover(size_t index, const DeviceFailure& failed) const {
  if (!failed.out_of_device_memory) raise(failed.failure);
  if (!share_.rungs().go_below(index)) {
    if (!failed.others_can_help || !share_.among_others().wait_for_room(options_.stop)) {
      raise(failed.failure);
    }
  }
  if (share_.executor().device().is_cpu()) return;
  share_.executor().run(options_, [] { at::accelerator::emptyCache(); });
}

}  // namespace latentsync::lipsync
