#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace latentsync {

/// What went wrong, coarse enough to choose a reaction (and, in the plugin, a GStreamer error
/// domain).
enum class ErrorCode {
  kNotFound,         ///< a file or folder is not there
  kUnreadable,       ///< the system refused to open, map or read it
  kDamagedFile,      ///< the container is malformed: truncated, inconsistent, over a limit
  kForeignModel,     ///< well-formed, but not the model that was asked for: names, shapes, dtypes
  kUnsupported,      ///< well-formed, but a feature this build or version does not do
  kInvalidArgument,  ///< a caller's value is out of its documented range
  kOutOfMemory,      ///< host or device memory ran out
  kDevice,           ///< a device is missing or failed
  kCancelled,        ///< the caller's cancellation was seen
  kInternal,         ///< a bug here
};

/// The exception type of core/. LibTorch's own (c10::Error, c10::OutOfMemoryError) and
/// std::bad_alloc may pass through core/ too; whoever stands at its boundary catches everything and
/// calls current_error(). what() is a sentence for people that says what to do where something can
/// be done; detail() carries numbers and names for the log.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string detail = {})
      : std::runtime_error(message), code_(code), detail_(std::move(detail)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& detail() const noexcept { return detail_; }

 private:
  ErrorCode code_;
  std::string detail_;
};

/// The exception that is being handled, as an Error; to be called inside a catch block. An Error
/// stays what it is; running out of memory, on the host or a device, is kOutOfMemory; a failing
/// device is kDevice; anything else is kInternal. The original text is in detail(). Never throws
/// but for want of memory.
Error current_error();

}  // namespace latentsync
