#pragma once

#include "tests/gst/pipeline.h"

#include <memory>
#include <string>

/// A client of examples/live/rtsp-server.py.
namespace latentsync::test {

/// Whether what the server needs is installed; otherwise why a test is skipped.
bool has_rtsp_server();
inline constexpr const char* kNoRtspServer =
    "python3-gi and gir1.2-gst-rtsp-server-1.0 are not installed";

/// Playing, with the sinks of flash_meter.h, as soon as the server accepts it; null where that is
/// never.
std::unique_ptr<Pipeline> rtsp_client(const std::string& address);

}  // namespace latentsync::test
