#pragma once

#include <glib.h>
#include <memory>
#include <optional>
#include <string>

namespace latentsync::transcode {

/// SHA-256.
class Checksum {
 public:
  void add(const void* data, size_t size);
  /// With its end, so that no two lists of texts are alike.
  void add(const std::string& text);
  /// Hexadecimal; nothing can be added after it.
  std::string text();

 private:
  struct Free {
    void operator()(GChecksum* checksum) const { g_checksum_free(checksum); }
  };
  std::unique_ptr<GChecksum, Free> checksum_{g_checksum_new(G_CHECKSUM_SHA256)};
};

/// Of all that FILE holds; none where it cannot be read.
std::optional<std::string> checksum_of(const std::string& file);

}  // namespace latentsync::transcode
