#pragma once

#include "gst/handles.h"

#include <cstdint>
#include <string>
#include <vector>

namespace latentsync {

/// Audio that has to wait for long, in a file without a name: first in, first out. The folder is
/// $TMPDIR, otherwise /var/tmp, which is on a disk more often than /tmp. Disk space is given back
/// when the spool is empty.
class AudioSpool {
 public:
  AudioSpool() = default;
  ~AudioSpool();
  AudioSpool(const AudioSpool&) = delete;
  AudioSpool& operator=(const AudioSpool&) = delete;

  /// A buffer, with the running times at which it begins and ends.
  struct Entry {
    BufferPtr buffer;
    int64_t begin_ns = 0;
    int64_t end_ns = 0;
  };

  /// Whether a buffer that comes out again is as it was: its metas are not kept.
  static bool takes(GstBuffer* buffer);
  /// False where it cannot be written: error() says why, and nothing more is taken until clear().
  bool push(GstBuffer* buffer, int64_t begin_ns, int64_t end_ns);
  /// The oldest one; without a buffer where it cannot be read.
  Entry pop();
  bool empty() const { return read_at_ == write_at_; }
  /// Forgets all of it.
  void clear();
  /// What the system said of the last failure.
  const std::string& error() const { return error_; }

 private:
  bool open();
  bool write(const void* data, size_t size);
  bool read(void* data, size_t size);
  bool fail();

  int file_ = -1;
  int64_t write_at_ = 0;
  int64_t read_at_ = 0;
  std::string error_;
  bool failed_ = false;
};

}  // namespace latentsync
