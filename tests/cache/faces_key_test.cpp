#include "core/lipsync/faces_key.h"

#include "core/lipsync/prepared_bytes.h"
#include "tests/support/pictures.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

// A state with something in every place.
face::FollowState state() {
  face::FollowedFace face{.identity = 3,
                          .track = {.region = face::RotatedSquare{{1, 2}, 3, 4},
                                    .appearance = at::arange(6, at::kFloat).view({2, 3})},
                          .likeness = at::full({2}, 0.5),
                          .matrix = {{{1, 2, 3}, {4, 5, 6}}},
                          .box = {1, 2, 3, 4},
                          .confidence = 0.5,
                          .faded_in = 2};
  face.alignment.offset = face::Point{5, 6};
  return {.faces = {face, face},
          .settings = face::FollowSettings{.select = FaceSelect::kAll, .resolution = 256},
          .scene = at::full({1, 4}, 2.0, at::kFloat),
          .since_search = 4,
          .identities = 5};
}

using StateChange = std::function<void(face::FollowState&)>;

// Every member of the state is part of its bytes.
TEST(PreparedBytes, EveryMemberOfTheStateCounts) {
  const std::vector<StateChange> changes = {
      [](auto&) {},
      [](auto& s) { s.faces.pop_back(); },
      [](auto& s) { s.settings.reset(); },
      [](auto& s) { s.settings->select = FaceSelect::kLargest; },
      [](auto& s) { s.settings->nearest_x = 0.1; },
      [](auto& s) { s.settings->nearest_y = 0.1; },
      [](auto& s) { s.settings->resolution = 512; },
      [](auto& s) { s.scene = at::Tensor(); },
      [](auto& s) { s.scene[0][3] = 1; },
      [](auto& s) {
        s.scene = s.scene.view({2, 2});
      },
      [](auto& s) { s.since_search = 5; },
      [](auto& s) { s.identities = 6; },
      [](auto& s) { s.faces[1].identity = 4; },
      [](auto& s) { s.faces[1].track.region.reset(); },
      [](auto& s) { s.faces[1].track.region->center.x += 1; },
      [](auto& s) { s.faces[1].track.region->center.y += 1; },
      [](auto& s) { s.faces[1].track.region->size += 1; },
      [](auto& s) { s.faces[1].track.region->rotation += 1; },
      [](auto& s) { s.faces[0].track.appearance = s.faces[0].track.appearance + 1; },
      [](auto& s) { s.faces[0].likeness = s.faces[0].likeness + 1; },
      [](auto& s) { s.faces[1].alignment.offset.reset(); },
      [](auto& s) { s.faces[1].alignment.offset->x += 1; },
      [](auto& s) { s.faces[1].alignment.offset->y += 1; },
      [](auto& s) { s.faces[1].matrix[0][1] += 1; },
      [](auto& s) { s.faces[1].matrix[1][2] += 1; },
      [](auto& s) { s.faces[1].box.left += 1; },
      [](auto& s) { s.faces[1].box.top += 1; },
      [](auto& s) { s.faces[1].box.width += 1; },
      [](auto& s) { s.faces[1].box.height += 1; },
      [](auto& s) { s.faces[1].confidence += 1; },
      [](auto& s) { s.faces[1].faded_in += 1; },
  };
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < changes.size(); ++i) {
    auto changed = state();
    changes[i](changed);
    const auto bytes = lipsync::bytes_of(changed);
    const auto span = bytes.span();
    const auto [place, is_new] =
        seen.emplace(std::string(reinterpret_cast<const char*>(span.data()), span.size()), i);
    EXPECT_TRUE(is_new) << i << " and " << place->second;
  }
}

lipsync::Prepared prepared() {
  lipsync::PlacedFace face{.frame = 1,
                           .crop_to_frame = {1, 2, 3, 4, 5, 6},
                           .weight = 0.25,
                           .field = kernels::Field::kBottom,
                           .later = true};
  return {.frames = {{.outcome = FrameOutcome::kImplausible,
                      .face = {1, 2, 3, 4},
                      .confidence = 0.5,
                      .weight = 0.75,
                      .faces = 2},
                     {}},
          .follow = state(),
          .sequences = {{.faces = {face}}},
          .conditioning = {{.mask = at::full({1, 1, 1, 2, 2}, 1., at::kHalf),
                            .masked_latents = at::full({1, 4, 1, 2, 2}, 2., at::kBFloat16),
                            .reference_latents = at::full({1, 4, 1, 2, 2}, 3., at::kFloat)}}};
}

// What is read is what was written: written again, it has the same bytes.
TEST(PreparedBytes, ComeBackAsTheyWere) {
  const auto bytes = lipsync::bytes_of(prepared());
  const auto read = lipsync::prepared_from(bytes.span(), c10::kCPU);
  ASSERT_TRUE(read);
  const auto again = lipsync::bytes_of(*read);
  EXPECT_TRUE(std::ranges::equal(again.span(), bytes.span()));
  EXPECT_EQ(read->sequences[0].faces[0].weight, 0.25);
  EXPECT_EQ(read->conditioning[0].masked_latents.scalar_type(), at::kBFloat16);
  EXPECT_FALSE(read->conditioning[0].audio_embeddings.defined());
  ASSERT_TRUE(read->follow.faces[1].alignment.offset);
  EXPECT_EQ(read->follow.faces[1].alignment.offset->y, 6);
}

// Bytes that end early or late are nothing; no bytes are read behind them, or memory taken for
// them.
TEST(PreparedBytes, AreWholeOrNothing) {
  const auto bytes = lipsync::bytes_of(prepared());
  for (size_t size = 0; size < bytes.span().size(); ++size) {
    EXPECT_FALSE(lipsync::prepared_from(bytes.span().first(size), c10::kCPU)) << size;
  }
  cache::Bytes longer(bytes.span().size() + 1);
  std::ranges::copy(bytes.span(), longer.span().begin());
  longer.span().back() = {};
  EXPECT_FALSE(lipsync::prepared_from(longer.span(), c10::kCPU));
  cache::Bytes ones(1000);
  std::ranges::fill(ones.span(), std::byte{0xff});
  EXPECT_FALSE(lipsync::prepared_from(ones.span(), c10::kCPU));
}

class FacesKey : public testing::Test {
 protected:
  FacesKey() {
    for (int i = 0; i < 2; ++i) {
      pictures_.push_back(
          paint({kernels::PixelFormat::kNv12, 33, 17}, [&](double x, double y) -> Rgb {
            return {static_cast<float>(x / 33), static_cast<float>(y / 17),
                    0.1F * static_cast<float>(i)};
          }));
      views_.push_back(pictures_.back().view);
    }
  }

  std::string key() const {
    return lipsync::faces_key({.model = model_,
                               .identity = identity_,
                               .info = info_,
                               .settings = settings_,
                               .rung = rung_,
                               .views = views_,
                               .follow = std::as_bytes(std::span(follow_))})
        .text();
  }

  std::string model_ = "model", identity_ = "identity", follow_ = "state";
  ModelInfo info_{.device = "cpu", .precision = "float32", .vae = "full"};
  RenderSettings settings_{.resolution = 256, .vae_batch = 4};
  Rung rung_;
  std::vector<Picture> pictures_;
  std::vector<kernels::ImageView> views_;
};

// Every change of what faces and latents depend on is another key, and nothing else is.
TEST_F(FacesKey, IsThatOfWhatFacesDependOn) {
  const auto original = key();
  std::map<std::string, int> keys = {{original, -1}};
  int number = 0;
  const auto expect_other = [&](auto& value, auto changed) {
    auto before = std::exchange(value, changed);
    EXPECT_TRUE(keys.emplace(key(), number).second) << number;
    value = before;
    EXPECT_EQ(key(), original);
    ++number;
  };
  expect_other(model_, "other");
  expect_other(identity_, "other");
  expect_other(follow_, "stato");
  expect_other(info_.device, "cuda:0");
  expect_other(info_.precision, "float16");
  expect_other(info_.vae, "tiny");
  expect_other(settings_.resolution, 512);
  expect_other(settings_.vae_batch, 3);
  expect_other(settings_.face_select, FaceSelect::kNearest);
  expect_other(settings_.nearest_x, 0.25);
  expect_other(settings_.nearest_y, 0.25);
  expect_other(rung_.vae_batch, 1);
  expect_other(rung_.vae_tile, 128);
  expect_other(views_[1].width, 32);
  expect_other(views_[1].height, 16);
  expect_other(views_[1].matrix, kernels::ColorMatrix::kBt601);
  expect_other(views_[1].range, kernels::ColorRange::kFull);
  expect_other(views_[1].siting, kernels::ChromaSiting::kCenter);
  expect_other(views_[1].scan, kernels::Scan::kTopFieldFirst);
  expect_other(views_, std::vector(views_.begin(), views_.begin() + 1));
  expect_other(views_, std::vector{views_[1], views_[0]});
  for (const auto& plane : {views_[0].planes[0], views_[1].planes[0], views_[1].planes[1]}) {
    expect_other(plane.data[0], static_cast<uint8_t>(plane.data[0] ^ 1));
    expect_other(plane.data[8 * plane.stride + 16],
                 static_cast<uint8_t>(plane.data[8 * plane.stride + 16] ^ 1));
  }
  // The last sample of the last row.
  const auto& luma = views_[1].planes[0];
  expect_other(luma.data[16 * luma.stride + 32],
               static_cast<uint8_t>(luma.data[16 * luma.stride + 32] ^ 1));

  settings_.seed = 5;
  settings_.guidance_scale = 2;
  settings_.inference_steps = 10;
  settings_.attention = Attention::kFlash;
  settings_.feature_cache = 2;
  rung_.window_frames = 8;
  rung_.two_passes = true;
  EXPECT_EQ(key(), original) << "what is done with the faces";
}

// The same picture in rows that lie further apart, whatever is in between.
TEST_F(FacesKey, DoesNotDependOnStrides) {
  const auto original = key();
  std::vector<std::vector<uint8_t>> planes;
  for (int i = 0; i < 2; ++i) {
    auto& plane = views_[0].planes[static_cast<size_t>(i)];
    const auto size = kernels::plane_size(views_[0].format, i, 33, 17);
    const int64_t stride = size.row_bytes + 7;
    planes.emplace_back(static_cast<size_t>(stride * size.rows), uint8_t{0xcd});
    for (int64_t row = 0; row < size.rows; ++row) {
      std::copy_n(plane.data + row * plane.stride, size.row_bytes,
                  planes.back().data() + row * stride);
    }
    plane = {planes.back().data(), stride};
  }
  EXPECT_EQ(key(), original);
}

}  // namespace
}  // namespace latentsync::test
