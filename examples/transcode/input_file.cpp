#include "examples/transcode/input_file.h"

#include "examples/transcode/problem.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

bool exists(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0;
}

std::string protocol_of(const std::string& name) {
  const TextPtr protocol(gst_uri_get_protocol(name.c_str()));
  return protocol ? protocol.get() : "";
}

/// The path that a file: or fd: URI names, or nothing.
std::optional<std::string> local_path(const std::string& uri, const std::string& protocol) {
  if (protocol == "file") {
    const TextPtr path(g_filename_from_uri(uri.c_str(), nullptr, nullptr));
    return path ? std::optional<std::string>(path.get()) : std::nullopt;
  }
  constexpr std::string_view kDescriptor = "fd://";
  if (uri.starts_with(kDescriptor)) {
    const std::string rest = uri.substr(kDescriptor.size());
    return "/proc/self/fd/" + rest.substr(0, rest.find_first_not_of("0123456789"));
  }
  return std::nullopt;
}

/// What a file is that can be read only once; null for one that can be read again.
const char* readable_once(mode_t mode) {
  return S_ISSOCK(mode)   ? "a socket"
         : S_ISCHR(mode)  ? "a device"
         : S_ISFIFO(mode) ? "a pipe"
                          : nullptr;
}

constexpr char kStandardInput[] = "/dev/stdin";

Problem read_once(const std::string& name, const char* kind) {
  return Problem(name + " is " + kind + "; the file is read several times: save it first",
                 kNoRetry);
}

void check_readable(const std::string& name, const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    throw Problem(name + (missing ? ": no such file"
                                  : std::string(": cannot be read: ") + std::strerror(errno)),
                  missing ? kNoRetry : kFailed);
  }
  if (S_ISDIR(status.st_mode)) {
    throw Problem(name + ": this is a folder; to render all clips in it use --batch", kNoRetry);
  }
  if (const char* kind = readable_once(status.st_mode)) {
    throw read_once(name, kind);
  }
  if (::access(path.c_str(), R_OK) != 0) {
    throw Problem(name + ": cannot be read: permission denied", kNoRetry);
  }
}

}  // namespace

bool is_uri(const std::string& name) {
  if (exists(name) || !gst_uri_is_valid(name.c_str())) {
    return false;
  }
  const std::string protocol = protocol_of(name);
  return protocol == "file" ? local_path(name, protocol).has_value()
                            : gst_uri_protocol_is_supported(GST_URI_SRC, protocol.c_str()) != FALSE;
}

std::string path_of(const std::string& name) {
  if (name == "-" && !exists(name)) {
    return kStandardInput;
  }
  return is_uri(name) ? local_path(name, protocol_of(name)).value_or("") : name;
}

std::string pipe_of(const std::string& name) {
  const std::string path = path_of(name);
  struct stat status = {};
  return !path.empty() && ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode) ? path
                                                                                         : "";
}

std::string uri_of(const std::string& name) {
  const std::string path = path_of(name);
  if (path.empty() && is_uri(name)) {
    return name;
  }
  check_readable(name, path);
  GError* error = nullptr;
  const TextPtr uri(gst_filename_to_uri(path.c_str(), &error));
  const ErrorPtr owner(error);
  if (!uri) {
    throw Problem(name + ": cannot be read (" + one_line(error->message) + ")");
  }
  return uri.get();
}

}  // namespace latentsync::transcode
