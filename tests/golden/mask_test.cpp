#include "kernels/reference/align_restore.h"
#include "kernels/reference/face_mask.h"
#include "kernels/reference/lanczos4.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/png.h"

#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr Tolerance kBytes{.max_abs = 1};
constexpr Tolerance kFloats{.max_abs = 1e-5};

class GoldenMask : public testing::Test {
 protected:
  // The names after PREFIX of all tensors that begin with it and have a size there.
  std::vector<std::string> sizes(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const auto& [name, tensor] : file_.tensors) {
      if (name.starts_with(prefix) && name.size() > prefix.size() &&
          std::isdigit(static_cast<unsigned char>(name[prefix.size()])) != 0) {
        found.push_back(name.substr(prefix.size()));
      }
    }
    return found;
  }
  const at::Tensor& stored(const std::string& name) const { return file_.tensors.at(name); }
  bool has(const std::string& name) const { return file_.tensors.contains(name); }

  model::TensorFile file_ = golden("mask/mask.safetensors");
};

// Resizing 8-bit pictures up and down gives OpenCV's Lanczos pixels.
TEST_F(GoldenMask, Lanczos) {
  ASSERT_FALSE(sizes("lanczos_").empty());
  for (const auto& size : sizes("lanczos_")) {
    const auto& expected = stored("lanczos_" + size);
    EXPECT_TRUE(
        close(kernels::resize_lanczos4(stored("lanczos_src"), expected.size(0), expected.size(1)),
              expected, kBytes))
        << size;
  }
}

// Antialiased bicubic resizing of float pictures up and down is torchvision's.
TEST_F(GoldenMask, AntialiasedBicubic) {
  ASSERT_FALSE(sizes("bicubic_aa_").empty());
  for (const auto& size : sizes("bicubic_aa_")) {
    const auto& expected = stored("bicubic_aa_" + size);
    EXPECT_TRUE(close(kernels::resize_bicubic(stored("bicubic_src").to(test_device()),
                                              expected.size(1), expected.size(2)),
                      expected, kFloats))
        << size;
  }
}

// The mask's picture resized to every resolution, with its grey edges, and its latent pixels.
TEST_F(GoldenMask, EveryResolution) {
  const auto picture = read_png(golden_dir() / "mask.png");
  ASSERT_FALSE(sizes("mask_u8_").empty());
  for (const auto& size : sizes("mask_u8_")) {
    const auto& expected = stored("mask_u8_" + size);
    const auto mask = kernels::face_mask(picture, expected.size(0));
    EXPECT_TRUE(close(mask * 255, expected.to(at::kFloat), kBytes)) << size;
    if (has("mask_latent_" + size)) {
      EXPECT_TRUE(close(kernels::latent_mask(expected.to(at::kFloat) / 255),
                        stored("mask_latent_" + size), kFloats))
          << size;
    }
  }
}

// Crop values, what is masked away of them, and what is put together again.
TEST_F(GoldenMask, PixelValuesAndCombination) {
  for (const auto& size : sizes("face_u8_")) {
    if (!has("pixel_values_" + size)) continue;
    const auto mask = stored("mask_u8_" + size).to(at::kFloat) / 255;
    const auto values = kernels::pixel_values(stored("face_u8_" + size));
    EXPECT_TRUE(close(values, stored("pixel_values_" + size), kFloats)) << size;
    EXPECT_TRUE(close(values * mask, stored("masked_pixel_values_" + size), kFloats)) << size;
    if (!has("combined_" + size)) continue;
    const auto combined =
        kernels::combine(stored("decoded_f16_" + size).to(at::kFloat), values, mask);
    EXPECT_TRUE(close(combined, stored("combined_" + size), kFloats)) << size;
    const auto bytes = "combined_u8_" + size + "_via_pixel_values_to_images";
    if (has(bytes)) {
      EXPECT_TRUE(close(kernels::pixel_bytes(combined).permute({1, 2, 0}), stored(bytes), kBytes));
    }
  }
}

// What has no size or the wrong type is refused.
TEST(Reference_Negative, RefusesWhatDoesNotFit) {
  const auto bytes = at::Tensor(read_png(golden_dir() / "mask.png"));
  EXPECT_THROW(kernels::resize_lanczos4(bytes.to(at::kFloat), 8, 8), c10::Error);
  EXPECT_THROW(kernels::resize_lanczos4(bytes, 0, 8), c10::Error);
  EXPECT_THROW(kernels::resize_bicubic(bytes, 8, 8), c10::Error);
  EXPECT_THROW(kernels::latent_mask(bytes.select(2, 0).slice(0, 0, 9)), c10::Error);
  EXPECT_THROW(kernels::reference_align(bytes.to(at::kFloat), {}, {8, 8}), c10::Error);
  EXPECT_THROW(kernels::reference_align(bytes, {.xx = 0}, {8, 8}), c10::Error);
}

}  // namespace
}  // namespace latentsync::test
