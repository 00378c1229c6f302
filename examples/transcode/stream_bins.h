#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace latentsync::transcode {

/// What is told of places along a stream whose length is not known, in a bounded number of bins:
/// they begin narrow, and where they do not reach any more, each two become one. BIN: a value with
/// merge(const Bin&), which adds what came later.
template <typename Bin>
class StreamBins {
 public:
  /// At most MOST bins, 2 or more; FIRST_WIDTH: of one at the beginning, positive.
  explicit StreamBins(size_t most, uint64_t first_width) : most_(most), width_(first_width) {}

  /// Adds BIN at PLACE.
  void add(uint64_t place, const Bin& bin) {
    while (place / width_ >= most_) {
      halve();
    }
    const auto index = size_t(place / width_);
    if (index >= bins_.size()) {
      bins_.resize(index + 1);
    }
    merge(bins_[index], bin);
  }

  /// In order, without empty ones.
  std::vector<Bin> all() const {
    std::vector<Bin> bins;
    for (const std::optional<Bin>& bin : bins_) {
      if (bin) {
        bins.push_back(*bin);
      }
    }
    return bins;
  }

  uint64_t width() const { return width_; }

 private:
  static void merge(std::optional<Bin>& into, const Bin& bin) {
    if (into) {
      into->merge(bin);
    } else {
      into = bin;
    }
  }

  void halve() {
    for (size_t index = 0; index < bins_.size(); ++index) {
      std::optional<Bin> bin = std::move(bins_[index]);
      bins_[index].reset();
      if (bin) {
        merge(bins_[index / 2], *bin);
      }
    }
    bins_.resize((bins_.size() + 1) / 2);
    width_ *= 2;
  }

  size_t most_;
  uint64_t width_;
  std::vector<std::optional<Bin>> bins_;
};

}  // namespace latentsync::transcode
