#include "tests/gst/rtsp_client.h"

#include "tests/gst/flash_meter.h"
#include "tests/gst/process.h"

namespace latentsync::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool has_rtsp_server() {
  return run_process(
             "/usr/bin/python3 -c 'import gi; gi.require_version(\"GstRtspServer\", \"1.0\")'")
             .status == 0;
}

std::unique_ptr<Pipeline> rtsp_client(const std::string& address) {
  const auto end = std::chrono::steady_clock::now() + patience(seconds(15));
  while (std::chrono::steady_clock::now() < end) {
    auto client = std::make_unique<Pipeline>(
        "rtspsrc name=s location=" + address +
        " protocols=tcp latency=200 s. ! rtph264depay ! avdec_h264 ! videoconvert ! " +
        flash_sink() + " s. ! rtpopusdepay ! opusdec ! audioconvert ! " + beep_sink());
    client->start();
    for (int wait = 0; wait < 50 && client->errors().empty(); ++wait) {
      client->read_message(milliseconds(10));
    }
    if (client->errors().empty()) return client;
  }
  return nullptr;
}

}  // namespace latentsync::test
