#pragma once

#include "core/model/tensor_file.h"

#include <cstdint>
#include <string>
#include <vector>

namespace latentsync::model {

/// A dimension that may have any size but 0.
inline constexpr int64_t kAnySize = -1;

/// Asks a state dict for shapes. Every dimension that is given back is backed by stored elements,
/// so that no small file can ask for a huge network. Both arguments must outlive the object.
/// Errors: kForeignModel, naming the file, the tensor and both shapes.
class Shapes {
 public:
  Shapes(const TensorMap& state, const std::string& origin) : state_(state), origin_(origin) {}

  bool contains(const std::string& name) const { return state_.contains(name); }

  /// The sizes of tensor NAME, which must be there and like PATTERN.
  std::vector<int64_t> get(const std::string& name, const std::vector<int64_t>& pattern) const;

  /// How many of "BEFORE0AFTER", "BEFORE1AFTER", ... are there.
  int64_t count(const std::string& before, const std::string& after) const;

  /// The widths of an encoder's resolution levels BEFORE0, BEFORE1, ..., the first of which takes
  /// FIRST channels; from their first resnets.
  std::vector<int64_t> level_widths(const std::string& before, int64_t first) const;

  /// DIVISOR, which config.json calls KEY or which is its default, divides all WIDTHS.
  void check_divides(const std::string& key, int64_t divisor,
                     const std::vector<int64_t>& widths) const;

 private:
  const TensorMap& state_;
  const std::string& origin_;
};

}  // namespace latentsync::model
