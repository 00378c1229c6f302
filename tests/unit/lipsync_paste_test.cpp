#include "core/lipsync/commit.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/pictures.h"

#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/rand.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr int kEdge = 96;
constexpr int64_t kCrop = 128;

class Frames : public WindowFrames {
 public:
  explicit Frames(std::vector<Picture> pictures) : pictures(std::move(pictures)) {}
  size_t count() const override { return pictures.size(); }
  int64_t time_ns(size_t frame) const override { return static_cast<int64_t>(frame); }
  Result<kernels::ImageView> readable(size_t frame) override { return pictures[frame].view; }
  Result<kernels::ImageView> writable(size_t frame) override { return pictures[frame].view; }

  std::vector<Picture> pictures;
};

Frames make_frames(kernels::PixelFormat format) {
  std::vector<Picture> pictures;
  for (int i = 0; i < 3; ++i) pictures.push_back(paint({format, kEdge, kEdge}, busy_color));
  return Frames(std::move(pictures));
}

int changed(const Frames& frames, const Frames& before) {
  int count = 0;
  for (size_t i = 0; i < frames.pictures.size(); ++i) {
    count += frames.pictures[i].bytes.equal(before.pictures[i].bytes) ? 0 : 1;
  }
  return count;
}

// Whichever allocation of the paste stage fails, no frame of the window has been changed; one of
// the frames holds two faces.
TEST(Pasting, FailsBeforeTheFirstFrameIsWritten) {
  const c10::InferenceMode inference;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);  // so that all allocations are this thread's
  const auto mask = lipsync::FaceMask::make(kCrop, c10::kCPU);
  const kernels::Affine map{.xx = 0.5, .x0 = 10, .yy = 0.5, .y0 = 12};
  const std::vector<lipsync::FaceSequence> sequences = {
      {.faces = {{0, map, 1}, {1, map, 0.5}, {2, map, 1}}}, {.faces = {{1, map, 1}}}};
  const std::vector<at::Tensor> edited = {at::rand({3, 3, kCrop, kCrop}),
                                          at::rand({1, 3, kCrop, kCrop})};
  for (const auto format : {kernels::PixelFormat::kNv12, kernels::PixelFormat::kRgb}) {
    const auto before = make_frames(format);
    int64_t failing = 0;
    for (bool done = false; !done; ++failing) {
      ASSERT_LT(failing, 10'000);
      auto frames = make_frames(format);
      std::vector<kernels::ImageView> views;
      for (const auto& picture : frames.pictures) views.push_back(picture.view);
      try {
        const FailingAllocation fault(failing);
        lipsync::Pasting pasting(sequences, edited, mask, views);
        pasting.write(frames);
        done = fault.seen() <= failing;
      } catch (const std::exception&) {
        ASSERT_EQ(changed(frames, before), 0) << "allocation " << failing;
        continue;
      }
      ASSERT_EQ(changed(frames, before), 3) << "allocation " << failing;
    }
    EXPECT_GT(failing, 30) << "nothing failed";
  }
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace latentsync::test
