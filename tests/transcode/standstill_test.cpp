#include "tests/transcode/support.h"

#include <chrono>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr char kPatience[] = "LATENTSYNC_PATIENCE=2 ";

/// A disk that does not answer any more ends the run with a line, and nothing is left.
TEST(Standstill, OfTheOutput) {
  for (const char* name : {"out.mp4", "out.mkv", "out.webm"}) {
    const std::filesystem::path folder = empty_folder();
    const Finished finished =
        transcode(media("seconds-2.mkv") + " -o " + (folder / name).string(),
                  std::string(kPatience) + "LD_PRELOAD=" LATENTSYNC_PRELOAD "/libstuck-disk.so");
    EXPECT_EQ(finished.status, 75) << finished.output;
    EXPECT_NE(finished.output.find("nothing could be written for 2 s"), std::string::npos)
        << finished.output;
    EXPECT_TRUE(std::filesystem::is_empty(folder));
  }
}

/// An element that takes longer for a window is not at a standstill.
TEST(Standstill, SlowEngineIsNone) {
  const std::string output = empty_folder() / "out.mp4";
  const Finished finished = transcode(media("no-face.mp4") + " --duration 0.8 -o " + output,
                                      std::string(kPatience) + "LATENTSYNC_FAKE=delay=5s");
  EXPECT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(frame_times(output).size(), 20U);
}

/// A server that stops sending in mid-file ends the run with a line.
TEST(Standstill, OfTheInput) {
  const std::filesystem::path folder = empty_folder();
  const std::string server =
      "import http.server, os, sys, time\n"
      "class Handler(http.server.BaseHTTPRequestHandler):\n"
      "    def log_message(self, *ignored): pass\n"
      "    def do_GET(self):\n"
      "        data = open(sys.argv[1], 'rb').read()\n"
      "        self.send_response(200)\n"
      "        self.send_header('Content-Length', str(len(data)))\n"
      "        self.end_headers()\n"
      "        self.wfile.write(data[:len(data) // 3])\n"
      "        self.wfile.flush()\n"
      "        time.sleep(60)\n"
      "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
      "print(server.server_port, flush=True)\n"
      "server.serve_forever()\n";
  const std::string port = (folder / "port").string();
  const Finished finished =
      run_process("timeout 30 python3 -c \"" + server + "\" " + media("both.ts") + " >" + port +
                  " & while [ ! -s " + port + " ]; do sleep 0.05; done; no_proxy=* " + kPatience +
                  "LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE " timeout 20 " LATENTSYNC_TRANSCODE
                  " http://127.0.0.1:$(cat " +
                  port + ")/both.ts -o " + (folder / "out.mp4").string() +
                  "; status=$?; kill $!; exit $status");
  EXPECT_EQ(finished.status, 75) << finished.output;
  EXPECT_NE(finished.output.find("no data could be read for 2 s"), std::string::npos)
      << finished.output;
}

}  // namespace
}  // namespace latentsync::test
