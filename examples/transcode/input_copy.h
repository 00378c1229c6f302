#pragma once

#include "examples/transcode/output_file.h"

#include <functional>
#include <string>

namespace latentsync::transcode {

/// A file to read several times, made of an input that can be read only once (standard input, a
/// pipe). It has no name, and goes with the process, however that ends. Other inputs stay where
/// they are.
class InputCopy {
 public:
  /// INPUT: a path, a URI or "-". SAY gets a sentence where it is copied. Throws Problem: nothing
  /// comes, no room for the copy.
  InputCopy(const std::string& input, const std::function<void(const std::string&)>& say);

  /// Where it can be read; empty: at its own name.
  const std::string& place() const { return place_; }

 private:
  std::string place_;
  Descriptor copy_;
};

}  // namespace latentsync::transcode
