#pragma once

namespace latentsync::transcode {

/// Ctrl-C (SIGINT) and SIGTERM, counted while this lives; without it they end the process.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static int count();
};

}  // namespace latentsync::transcode
