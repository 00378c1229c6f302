#include "core/model/shapes.h"

#include "core/error.h"
#include "core/model/naming.h"
#include "core/model/tensor_listing.h"

#include <algorithm>

namespace latentsync::model {
namespace {

/// More of anything than this is no network of this kind, only a file that wants memory.
constexpr int64_t kMostOfAKind = 64;

std::string pattern_text(const std::vector<int64_t>& pattern) {
  std::string result = shape_text(pattern);
  for (size_t at = 0; (at = result.find("-1", at)) != std::string::npos;) {
    result.replace(at, 2, 1, '*');
  }
  return result;
}

}  // namespace

std::vector<int64_t> Shapes::get(const std::string& name,
                                 const std::vector<int64_t>& pattern) const {
  const auto found = state_.find(name);
  if (found == state_.end()) {
    refuse_foreign(origin_, "it lacks the tensor " + name_text(name) + " " + pattern_text(pattern),
                   state_);
  }
  const auto sizes = found->second.sizes();
  const bool fits = std::equal(sizes.begin(), sizes.end(), pattern.begin(), pattern.end(),
                               [](int64_t size, int64_t wanted) {
                                 return size > 0 && (wanted == kAnySize || size == wanted);
                               });
  if (!fits) {
    refuse_foreign(origin_,
                   "tensor " + name_text(name) + " is " + shape_text(sizes) + ", the model needs " +
                       pattern_text(pattern),
                   state_);
  }
  return sizes.vec();
}

int64_t Shapes::count(const std::string& before, const std::string& after) const {
  int64_t number = 0;
  while (state_.contains(before + std::to_string(number) + after)) ++number;
  if (number > kMostOfAKind) {
    refuse_foreign(origin_, "it has " + std::to_string(number) + " of " + name_text(before + "N"),
                   state_);
  }
  return number;
}

std::vector<int64_t> Shapes::level_widths(const std::string& before, int64_t first) const {
  std::vector<int64_t> widths;
  const int64_t levels = std::max<int64_t>(1, count(before, ".resnets.0.conv1.weight"));
  for (int64_t i = 0; i < levels; ++i) {
    const std::string resnet = before + std::to_string(i) + ".resnets.0.";
    const int64_t input = i == 0 ? first : widths.back();
    const int64_t width = get(resnet + "conv1.weight", {kAnySize, input, 3, 3})[0];
    get(resnet + "conv2.weight", {width, width, 3, 3});
    widths.push_back(width);
  }
  return widths;
}

void Shapes::check_divides(const std::string& key, int64_t divisor,
                           const std::vector<int64_t>& widths) const {
  for (const int64_t width : widths) {
    if (width % divisor == 0) continue;
    throw Error(ErrorCode::kForeignModel,
                "The model file \"" + origin_ + "\" has a layer of " + std::to_string(width) +
                    " channels, which is not divisible by " + name_text(key) + " " +
                    std::to_string(divisor) + ". Set the right number in config.json.");
  }
}

}  // namespace latentsync::model
