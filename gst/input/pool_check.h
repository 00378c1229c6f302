#pragma once

#include "gst/handles.h"

namespace latentsync {

/// Which frames come from a pool that runs dry when as many of its buffers are held as the element
/// holds. For one thread at a time.
class PoolCheck {
 public:
  /// HELD: buffers that are held at most.
  bool is_small(GstBufferPool* pool, int held) {
    if (!pool) return false;
    // The reference keeps another pool from getting the same address.
    if (pool != pool_.get()) {
      pool_.reset(GST_BUFFER_POOL(gst_object_ref(pool)));
      GstStructure* config = gst_buffer_pool_get_config(pool);
      most_ = 0;
      gst_buffer_pool_config_get_params(config, nullptr, nullptr, nullptr, &most_);
      gst_structure_free(config);
    }
    return most_ > 0 && most_ < static_cast<guint>(held);
  }

  void reset() { pool_.reset(); }

 private:
  PoolPtr pool_;
  guint most_ = 0;  ///< buffers; 0: without a limit
};

}  // namespace latentsync
