#pragma once

#include "examples/transcode/media_reader.h"

#include <functional>
#include <gst/audio/audio.h>
#include <string>
#include <vector>

namespace latentsync::transcode {

/// Speech whose channels would cancel each other in the mono mix that drives the mouth, as where
/// one cable of a stereo recording is wired upside down: there every channel becomes the loudest
/// one. Other speech passes as it is, bit for bit.
class LouderChannel {
 public:
  using Warn = std::function<void(const std::string&)>;

  /// FILE: the speech's, in what is said.
  explicit LouderChannel(std::string file) : file_(std::move(file)) {}
  /// Gets one sentence, from the thread that calls apply(), when the first channels cancel.
  void set_warn(Warn warn) { warn_ = std::move(warn); }

  /// UNIT, or what replaces it. Units are to come in order.
  Unit apply(Unit unit);

 private:
  void measure(GstBuffer* buffer);
  bool decide();
  void spread(GstBuffer* buffer) const;

  std::string file_;
  Warn warn_;
  CapsPtr caps_;
  GstAudioInfo info_;
  std::vector<double> energies_;  ///< of each channel, of late
  double sum_energy_ = 0;         ///< of their sum
  size_t chosen_ = 0;
  bool cancels_ = false;
  bool said_ = false;
};

}  // namespace latentsync::transcode
