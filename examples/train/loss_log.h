#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace latentsync::train {

struct Curve {
  std::vector<double> at;  ///< times, in any order
  std::vector<double> value;
};
/// A line over time on a logarithmic scale, filling its picture: uint8 [H, W, 3]. What has no
/// logarithm is left out.
at::Tensor chart(const Curve& curve, int64_t width, int64_t height);

/// Losses on their way: a mean every so often goes to the terminal and to the curves, and those to
/// losses.csv and losses.png.
class LossLog {
 public:
  /// FOLDER: of the two files. GOES_ON: after what losses.csv has.
  LossLog(std::filesystem::path folder, bool goes_on);

  /// A loss of one step; AT: seconds of its stage.
  void add(const std::string& name, double at, double value);
  /// A point of a curve.
  void mark(const std::string& name, double at, double value);
  /// Errors: those of write_text().
  void write() const;

 private:
  struct Mean {
    double sum = 0;
    int64_t count = 0;
    std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
  };
  std::filesystem::path folder_;
  std::map<std::string, Mean> means_;
  std::map<std::string, Curve> curves_;
};

}  // namespace latentsync::train
