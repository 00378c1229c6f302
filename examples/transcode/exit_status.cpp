#include "examples/transcode/exit_status.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <gst/gst.h>
#include <iterator>
#include <utility>

namespace latentsync::transcode {
namespace {

/// The element's causes; "internal" and what is not listed may be anything.
constexpr std::array<std::pair<std::string_view, ExitStatus>, 7> kCauses = {{
    {"not-found", kNoRetry},
    {"damaged-file", kNoRetry},
    {"foreign-model", kNoRetry},
    {"unsupported", kNoRetry},
    {"invalid-argument", kNoRetry},
    {"out-of-memory", kDoesNotFit},
    {"device", kTryAgain},
}};

/// What a batch answers, the first that one of its clips ended with.
constexpr std::array kOrder = {kInterrupted, kTerminated, kUsage,   kTryAgain,
                               kFailed,      kDoesNotFit, kNoRetry, kWhole};

}  // namespace

ExitStatus status_of_cause(std::string_view cause) {
  const auto* found = std::find_if(kCauses.begin(), kCauses.end(),
                                   [&](const auto& entry) { return entry.first == cause; });
  return found == kCauses.end() ? kFailed : found->second;
}

ExitStatus status_of_system(int reason) {
  switch (reason) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case ESTALE:
    case ETIMEDOUT:
    case EAGAIN:
    case EBUSY:
      return kTryAgain;
    default:
      return kFailed;
  }
}

ExitStatus status_of_reading(const GError* error) {
  const bool missing =
      g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND) != FALSE;
  return missing || error->domain == GST_STREAM_ERROR ? kNoRetry : kFailed;
}

ExitStatus status_of_writing(const GError* error) {
  return g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT) != FALSE
             ? kTryAgain
             : kFailed;
}

ExitStatus status_of_both(ExitStatus one, ExitStatus other) {
  return *std::find_if(kOrder.begin(), std::prev(kOrder.end()),
                       [&](ExitStatus status) { return status == one || status == other; });
}

}  // namespace latentsync::transcode
