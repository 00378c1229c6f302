#include "kernels/image/affine.h"

#include "kernels/paste_back/paste_back.h"
#include "kernels/reference/align_restore.h"
#include "kernels/reference/face_mask.h"
#include "kernels/reference/lanczos4.h"
#include "kernels/warp_crop/warp_crop.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/png.h"

#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using kernels::Affine;

constexpr Tolerance kCrop{.max_abs = 1, .psnr = 60};
constexpr Tolerance kRestored{.max_abs = 2, .psnr = 55};
constexpr Tolerance kSoftMask{.max_abs = 2e-3};  // stored as halves
constexpr Tolerance kDefaultPath{.psnr = 40};    // another filter, one resampling, rounding

// One face of the set: files r<resolution>_frame<number>_*.png.
struct Case {
  std::string name;  // r256_frame012
  std::string key;   // r256.frame012, the tensors' prefix
  int64_t resolution;
  kernels::AlignedSize size;
  Affine matrix;  // frame to aligned face
  at::Tensor frame;
};

struct Restored {
  int64_t left, top;
  at::Tensor pixels;
};

class GoldenAffine : public testing::Test {
 protected:
  GoldenAffine() {
    const std::regex pattern("(r([0-9]+))_(frame([0-9]+))_aligned\\.png");
    for (const auto& path : golden_files("affine", "r")) {
      const std::string name = path.filename();
      std::smatch m;
      const auto frame = [&] { return path.parent_path() / (m.str(3) + ".png"); };
      if (!std::regex_match(name, m, pattern) || !std::filesystem::exists(frame())) continue;
      const auto matrices = file_.tensors.at(m.str(1) + ".matrices").to(at::kDouble);
      const auto a = matrices.accessor<double, 3>()[std::stoll(m.str(4))];
      const int64_t resolution = std::stoll(m.str(2));
      cases_.push_back({m.str(1) + "_" + m.str(3),
                        m.str(1) + "." + m.str(3),
                        resolution,
                        kernels::reference_aligned_size(resolution),
                        {a[0][0], a[0][1], a[0][2], a[1][0], a[1][1], a[1][2]},
                        read_png(frame())});
    }
  }

  static std::filesystem::path folder() { return golden_dir() / "affine"; }

  static Restored restored(const Case& c) {
    const std::regex pattern(".*_restored_roi_x([0-9]+)_y([0-9]+)\\.png");
    for (const auto& path : golden_files("affine", c.name + "_restored_roi")) {
      const std::string name = path.filename();
      std::smatch m;
      if (std::regex_match(name, m, pattern)) {
        return {std::stoll(m.str(1)), std::stoll(m.str(2)), read_png(path)};
      }
    }
    return {};
  }

  // The face that was pasted: the crop with red at 0.9 in its lower half.
  static at::Tensor changed_face(const Case& c) {
    const auto face = read_png(folder() / (c.name + "_face.png"));
    auto values = kernels::pixel_values(face.permute({2, 0, 1})).contiguous();
    values[0].slice(0, c.resolution / 2).fill_(0.9);
    return values;
  }

  static at::Tensor part(const at::Tensor& frame, const Restored& r) {
    return frame.slice(0, r.top, r.top + r.pixels.size(0))
        .slice(1, r.left, r.left + r.pixels.size(1));
  }

  // Inside the part within LIMIT of the reference, outside it the frame itself.
  static void expect_restored(const Case& c, const at::Tensor& actual, const Tolerance& limit) {
    const auto r = restored(c);
    ASSERT_TRUE(r.pixels.defined()) << c.name;
    EXPECT_TRUE(close(part(actual, r).contiguous(), r.pixels, limit)) << c.name;
    auto rest = actual.clone();
    part(rest, r).copy_(part(c.frame, r));
    EXPECT_TRUE(rest.equal(c.frame)) << c.name << ": changed outside the mask";
  }

  static kernels::ImageView view_of(const at::Tensor& frame) {
    return kernels::make_image(
        kernels::PixelFormat::kRgb, static_cast<int>(frame.size(1)),
        static_cast<int>(frame.size(0)), {{{frame.mutable_data_ptr<uint8_t>(), frame.size(1) * 3}}},
        kernels::ColorMatrix::kBt709, kernels::ColorRange::kFull, kernels::ChromaSiting::kLeft,
        frame.is_cuda() ? frame.get_device() : kernels::kSystemMemory);
  }

  static Affine crop_map(const Case& c) {
    return kernels::crop_to_frame(
        c.matrix, static_cast<double>(c.size.width), static_cast<double>(c.size.height),
        static_cast<double>(c.resolution), static_cast<double>(c.resolution));
  }

  model::TensorFile file_ = golden("affine/affine.safetensors");
  std::vector<Case> cases_;
};

// The bilinear warp and the Lanczos resize after it are the reference's.
TEST_F(GoldenAffine, AlignedAndFace) {
  ASSERT_FALSE(cases_.empty());
  for (const auto& c : cases_) {
    const auto aligned =
        kernels::reference_align(c.frame.to(test_device()), c.matrix, c.size).cpu();
    EXPECT_TRUE(close(aligned, read_png(folder() / (c.name + "_aligned.png")), kCrop)) << c.name;
    EXPECT_TRUE(close(kernels::resize_lanczos4(aligned, c.resolution, c.resolution),
                      read_png(folder() / (c.name + "_face.png")), kCrop))
        << c.name;
  }
}

// The soft mask is the reference's, and its rectangle after the first erosion.
TEST_F(GoldenAffine, Masks) {
  for (const auto& c : cases_) {
    const auto mask =
        kernels::reference_mask(c.matrix, c.size, c.frame.size(0), c.frame.size(1), test_device());
    const auto expect = [&](const at::Tensor& actual, const std::string& name) {
      const auto stored = file_.tensors.find(c.key + name);
      if (stored == file_.tensors.end()) return;
      const auto roi = file_.tensors.at(c.key + ".roi_xyxy").accessor<int64_t, 1>();
      const auto there = actual.cpu()
                             .slice(0, roi[1] - mask.top, roi[3] - mask.top)
                             .slice(1, roi[0] - mask.left, roi[2] - mask.left);
      EXPECT_TRUE(close(there, stored->second.to(at::kFloat), kSoftMask)) << c.key << name;
    };
    expect(mask.soft, ".soft_mask_roi_f16");
    expect(mask.rectangle, ".erode2_roi_f16");
  }
}

// The changed face is pasted as the reference does it, and nothing outside the mask is touched.
TEST_F(GoldenAffine, Restored) {
  for (const auto& c : cases_) {
    const auto stored = file_.tensors.find(c.key + ".face_changed");
    const auto face = stored == file_.tensors.end() ? changed_face(c) : stored->second;
    const auto actual = kernels::reference_restore(c.frame.to(test_device()),
                                                   face.to(test_device()), c.matrix, c.size);
    expect_restored(c, actual.cpu(), kRestored);
  }
}

// One resampling with a better filter stays near the reference's crop.
TEST_F(GoldenAffine, DefaultCropIsNearTheReference) {
  for (const auto& c : cases_) {
    const auto frame = c.frame.to(test_device());
    const auto crop = at::empty({3, c.resolution, c.resolution},
                                at::TensorOptions(at::kFloat).device(test_device()));
    kernels::warp_crop(view_of(frame), crop_map(c), kernels::ValueRange::kUnit, crop);
    const auto expected = read_png(folder() / (c.name + "_face.png")).permute({2, 0, 1});
    EXPECT_TRUE(close(crop.cpu() * 255, expected, kDefaultPath)) << c.name;
  }
}

// So does the pasted face, with the mask by formula and rounding.
TEST_F(GoldenAffine, DefaultPasteIsNearTheReference) {
  for (const auto& c : cases_) {
    const auto frame = c.frame.clone().to(test_device());
    const auto mask = kernels::soft_mask(crop_map(c), c.resolution, c.resolution);
    kernels::paste_back(changed_face(c).to(test_device()), kernels::ValueRange::kSigned,
                        mask.to(test_device()), crop_map(c), view_of(frame));
    const auto r = restored(c);
    ASSERT_TRUE(r.pixels.defined()) << c.name;
    EXPECT_TRUE(close(part(frame.cpu(), r).contiguous(), r.pixels, kDefaultPath)) << c.name;
  }
}

}  // namespace
}  // namespace latentsync::test
