#include "core/face/face_networks.h"
#include "core/model/state_dict.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/pictures.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using face::FaceTrack;
using face::TensorSampler;

double distance(const face::FaceLandmarks& a, const face::FaceLandmarks& b, double shift_x = 0,
                double shift_y = 0) {
  double sum = 0;
  for (size_t i = 0; i < a.points.size(); ++i) {
    sum += std::hypot(a.points[i].x + shift_x - b.points[i].x,
                      a.points[i].y + shift_y - b.points[i].y);
  }
  return sum / static_cast<double>(a.points.size());
}

// A detector that always gives the same boxes, each with the score that its logit comes to.
class FixedBoxes : public face::BlazeFace {
 public:
  // BOXES [places, kBoxValues] in parts of the image's edge, places = cells * cells; LOGITS
  // [places].
  FixedBoxes(at::Tensor boxes, at::Tensor logits, int64_t cells) : cells_(cells) {
    const auto places = at::arange(cells * cells);
    const auto column = (places.remainder(cells) + 0.5) / static_cast<double>(cells);
    const auto row = (places.floor_divide(cells) + 0.5) / static_cast<double>(cells);
    auto relative = boxes.clone();
    for (int64_t value = 0; value < kBoxValues; ++value) {
      if (value != 2 && value != 3) relative.select(1, value) -= value % 2 == 0 ? column : row;
    }
    candidates_ = {(relative * static_cast<double>(input_size())).unsqueeze(0),
                   logits.unsqueeze(0)};
  }
  Candidates forward(const at::Tensor&) override { return candidates_; }
  int64_t input_size() const override { return 128; }
  std::vector<Grid> grids() const override { return {{cells_, 1}}; }

 private:
  int64_t cells_;
  Candidates candidates_;
};

class GoldenFaceTrack : public testing::Test {
 protected:
  static const face::FaceTracker& tracker() {
    static const auto loaded = face::load_face_tracker(
        std::filesystem::path(LATENTSYNC_SOURCE_MODELS_DIR) / "face", test_device());
    return loaded;
  }

  std::optional<face::TrackedFace> next(const at::Tensor& picture) {
    return tracker().next(TensorSampler(picture), track_);
  }

  // A picture of noise, or of one brightness.
  static at::Tensor noise(const at::Tensor& like) {
    return at::rand(like.sizes(), at::detail::createCPUGenerator(3)).to(test_device());
  }
  static at::Tensor plain(const at::Tensor& like, double value) {
    return at::full(like.sizes(), value, like.options());
  }

  // PICTURE moved by whole pixels on a grey ground.
  static at::Tensor moved(const at::Tensor& picture, int64_t right, int64_t down) {
    auto result = plain(picture, 0.4);
    const auto height = picture.size(1), width = picture.size(2);
    const auto x = std::max<int64_t>(right, 0), y = std::max<int64_t>(down, 0);
    const auto w = width - std::abs(right), h = height - std::abs(down);
    result.narrow(1, y, h).narrow(2, x, w).copy_(picture.narrow(1, std::max<int64_t>(-down, 0), h)
                                                     .narrow(2, std::max<int64_t>(-right, 0), w));
    return result;
  }

  std::vector<at::Tensor> pictures_ = golden_face_pictures();
  FaceTrack track_;
};

// A face is detected in the first frame and followed in the next, to the same place.
TEST_F(GoldenFaceTrack, DetectsThenFollows) {
  ASSERT_FALSE(pictures_.empty());
  for (const auto& picture : pictures_) {
    track_ = {};
    const auto first = next(picture);
    ASSERT_TRUE(first);
    EXPECT_FALSE(first->followed);
    EXPECT_GT(first->landmarks.presence, 0.9);
    const auto second = next(picture);
    ASSERT_TRUE(second);
    EXPECT_TRUE(second->followed);
    EXPECT_LT(distance(first->landmarks, second->landmarks), 0.02 * first->box.height);
  }
}

// The mesh moves with the face.
TEST_F(GoldenFaceTrack, FollowsAMovingFace) {
  const auto& picture = pictures_.at(0);
  const auto first = next(picture);
  ASSERT_TRUE(first);
  for (const int64_t step : {1, 2, 3}) {
    const auto face = next(moved(picture, 4 * step, -2 * step));
    ASSERT_TRUE(face);
    EXPECT_TRUE(face->followed);
    EXPECT_LT(distance(first->landmarks, face->landmarks, 4. * static_cast<double>(step),
                       -2. * static_cast<double>(step)),
              0.02 * first->box.height);
  }
}

// Pictures without a face give none, and no error, whatever was there before; values that are no
// numbers too.
TEST_F(GoldenFaceTrack, NoFaceIsNoError) {
  const auto& picture = pictures_.at(0);
  const auto nan = plain(picture, std::numeric_limits<double>::quiet_NaN());
  for (const auto& empty :
       {plain(picture, 0), plain(picture, 1), noise(picture), nan,
        at::zeros({3, 1, 1}).to(test_device()), at::zeros({3, 2, 700}).to(test_device())}) {
    track_ = {};
    EXPECT_FALSE(next(empty));
    ASSERT_TRUE(next(picture));
    EXPECT_FALSE(next(empty));
    EXPECT_FALSE(track_.region);
  }
}

// A face that comes back is found again, and is not said to have been followed.
TEST_F(GoldenFaceTrack, FindsAFaceThatComesBack) {
  const auto& picture = pictures_.at(0);
  const auto before = next(picture);
  ASSERT_TRUE(before);
  EXPECT_FALSE(next(plain(picture, 0.5)));
  const auto after = next(picture);
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->followed);
  EXPECT_EQ(distance(before->landmarks, after->landmarks), 0);
}

// Nothing is followed across a cut: another picture at the face's place starts anew.
TEST_F(GoldenFaceTrack, StartsAnewAfterACut) {
  const auto& picture = pictures_.at(0);
  ASSERT_TRUE(next(picture));
  const auto darker = next(picture * 0.4);
  ASSERT_TRUE(darker);
  EXPECT_FALSE(darker->followed);
  const auto elsewhere = next(moved(picture, static_cast<int64_t>(picture.size(2) / 3), 0) * 0.4);
  EXPECT_FALSE(elsewhere && elsewhere->followed);
}

// A face that is partly outside is found or not, but never an error, and what is found lies around
// the part that is seen.
TEST_F(GoldenFaceTrack, FaceAtTheBorder) {
  const auto& picture = pictures_.at(0);
  const auto size = picture.size(2);
  for (const auto& [right, down] : std::vector<std::pair<int64_t, int64_t>>{
           {size / 4, 0}, {-size / 4, 0}, {0, size / 4}, {0, -size / 4}, {size / 2, size / 2}}) {
    SCOPED_TRACE(std::to_string(right) + ", " + std::to_string(down));
    track_ = {};
    const auto cut_off = moved(picture, right, down);
    for (int frame = 0; frame < 3; ++frame) {
      const auto face = next(cut_off);
      if (!face) continue;
      const auto center = face->box.center();
      EXPECT_TRUE(center.x > -0.1 * size && center.x < 1.1 * size);
      EXPECT_TRUE(center.y > -0.1 * size && center.y < 1.1 * size);
    }
  }
}

// Where a closer look shows that the largest box is no face, the next one is taken.
TEST_F(GoldenFaceTrack, WrongDetectionsAreLeftOut) {
  const auto& picture = pictures_.at(0);
  const auto right = next(picture);
  ASSERT_TRUE(right);
  const auto edge = static_cast<double>(2 * picture.size(2));
  const auto center = right->box.center();
  auto boxes = at::zeros({4, face::BlazeFace::kBoxValues});
  auto logits = at::full({4}, -20.);
  const auto place = [&](int64_t index, double x, double y, double size) {
    const double values[] = {x / edge,
                             y / edge,
                             size / edge,
                             size / edge,
                             (x - size / 4) / edge,
                             y / edge,
                             (x + size / 4) / edge,
                             y / edge};
    for (int64_t i = 0; i < 8; ++i) boxes[index][i] = values[i];
    logits[index] = 1.;
  };
  // A larger box beside the face, and the face; the picture is letterboxed.
  const auto letterbox = edge / 4;
  place(0, 0.75 * edge, letterbox + center.y, 1.2 * right->box.height);
  place(3, center.x, letterbox + center.y, right->box.height);
  auto mesh = std::make_shared<face::FaceMesh>();
  const auto path =
      std::filesystem::path(LATENTSYNC_SOURCE_MODELS_DIR) / "face" / "face_landmark.safetensors";
  model::load_state(*mesh, model::open_tensor_file(path).tensors, path.string(), test_device());
  const face::FaceTracker tracker(
      face::FaceDetector({std::make_shared<FixedBoxes>(boxes, logits, 2)}),
      face::FaceLandmarker(mesh));
  const auto beside = at::cat({picture, plain(picture, 0.5)}, 2);
  FaceTrack track;
  const auto face = tracker.next(TensorSampler(beside), track);
  ASSERT_TRUE(face);
  EXPECT_LT(distance(face->landmarks, right->landmarks), 0.03 * right->box.height);
}

// The caller chooses among all faces of the picture; who chooses none gets none.
TEST_F(GoldenFaceTrack, CallerChoosesTheFace) {
  const auto& picture = pictures_.at(0);
  const TensorSampler two(at::cat({picture, picture.flip(2)}, 2));
  std::vector<double> found;
  for (const size_t wanted : {0, 1}) {
    FaceTrack track;
    const auto face = tracker().next(two, track, [&](std::span<const face::Detection> faces) {
      EXPECT_EQ(faces.size(), 2u);
      return std::optional(std::min(wanted, faces.size() - 1));
    });
    ASSERT_TRUE(face);
    found.push_back(face->box.center().x);
  }
  EXPECT_GT(std::abs(found[0] - found[1]), 0.5 * static_cast<double>(picture.size(2)));
  FaceTrack track;
  EXPECT_FALSE(tracker().next(
      two, track, [](std::span<const face::Detection>) { return std::optional<size_t>(); }));
  EXPECT_FALSE(track.region);
}

}  // namespace
}  // namespace latentsync::test
