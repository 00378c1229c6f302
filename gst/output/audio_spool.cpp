#include "gst/output/audio_spool.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

namespace latentsync {
namespace {

/// What stands before a buffer's bytes.
struct Head {
  int64_t begin_ns;
  int64_t end_ns;
  GstClockTime pts;
  GstClockTime dts;
  GstClockTime duration;
  guint64 offset;
  guint64 offset_end;
  guint64 size;
  guint flags;
};

}  // namespace

AudioSpool::~AudioSpool() {
  if (file_ >= 0) close(file_);
}

bool AudioSpool::takes(GstBuffer* buffer) {
  gpointer state = nullptr;
  return gst_buffer_iterate_meta(buffer, &state) == nullptr;
}

bool AudioSpool::fail() {
  error_ = g_strerror(errno);
  failed_ = true;
  return false;
}

bool AudioSpool::open() {
  if (file_ >= 0) return true;
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder && *folder ? folder : "/var/tmp") + "/latentsync-XXXXXX";
  file_ = g_mkstemp_full(path.data(), O_RDWR | O_CLOEXEC, 0600);
  if (file_ < 0) return fail();
  unlink(path.c_str());
  return true;
}

bool AudioSpool::write(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (size > 0) {
    const ssize_t count = pwrite(file_, bytes, size, write_at_);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail();
    write_at_ += count;
    bytes += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool AudioSpool::read(void* data, size_t size) {
  auto* bytes = static_cast<uint8_t*>(data);
  while (size > 0) {
    errno = EIO;  // For a file that is too short.
    const ssize_t count = pread(file_, bytes, size, read_at_);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail();
    read_at_ += count;
    bytes += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool AudioSpool::push(GstBuffer* buffer, int64_t begin_ns, int64_t end_ns) {
  if (failed_ || !open()) return false;
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return false;
  const Head head{begin_ns,
                  end_ns,
                  GST_BUFFER_PTS(buffer),
                  GST_BUFFER_DTS(buffer),
                  GST_BUFFER_DURATION(buffer),
                  GST_BUFFER_OFFSET(buffer),
                  GST_BUFFER_OFFSET_END(buffer),
                  map.size,
                  GST_BUFFER_FLAGS(buffer) & ~static_cast<guint>(GST_BUFFER_FLAG_TAG_MEMORY)};
  const int64_t begin = write_at_;
  const bool written = write(&head, sizeof head) && write(map.data, map.size);
  gst_buffer_unmap(buffer, &map);
  if (!written) write_at_ = begin;
  return written;
}

AudioSpool::Entry AudioSpool::pop() {
  Entry entry;
  Head head;
  if (!read(&head, sizeof head)) return entry;
  BufferPtr buffer(gst_buffer_new_allocate(nullptr, head.size, nullptr));
  GstMapInfo map;
  if (!buffer || !gst_buffer_map(buffer.get(), &map, GST_MAP_WRITE)) return entry;
  const bool filled = read(map.data, map.size);
  gst_buffer_unmap(buffer.get(), &map);
  if (!filled) return entry;
  GST_BUFFER_PTS(buffer.get()) = head.pts;
  GST_BUFFER_DTS(buffer.get()) = head.dts;
  GST_BUFFER_DURATION(buffer.get()) = head.duration;
  GST_BUFFER_OFFSET(buffer.get()) = head.offset;
  GST_BUFFER_OFFSET_END(buffer.get()) = head.offset_end;
  GST_BUFFER_FLAG_SET(buffer.get(), head.flags);
  entry = {std::move(buffer), head.begin_ns, head.end_ns};
  const bool failed = failed_;
  if (empty()) clear();
  failed_ = failed;
  return entry;
}

void AudioSpool::clear() {
  read_at_ = write_at_ = 0;
  failed_ = false;
  // What cannot be given back now is when the file is closed.
  if (file_ >= 0 && ftruncate(file_, 0) != 0) error_ = g_strerror(errno);
}

}  // namespace latentsync
