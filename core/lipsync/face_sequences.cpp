#include "core/lipsync/face_sequences.h"

#include "core/face/alignment.h"

#include <algorithm>
#include <map>
#include <utility>

namespace latentsync::lipsync {
namespace {

FaceBox face_box(const face::Box& box) { return {box.left, box.top, box.width, box.height}; }

double area(const FaceBox& box) { return box.width * box.height; }

bool is_interlaced(const kernels::ImageView& view) {
  return view.scan != kernels::Scan::kProgressive && view.height > 2;
}

}  // namespace

kernels::Affine crop_map(const face::AffineMatrix& matrix, int64_t resolution) {
  const kernels::Affine frame_to_aligned{.xx = matrix[0][0],
                                         .xy = matrix[0][1],
                                         .x0 = matrix[0][2],
                                         .yx = matrix[1][0],
                                         .yy = matrix[1][1],
                                         .y0 = matrix[1][2]};
  const auto size = face::aligned_size(resolution);
  const auto edge = static_cast<double>(resolution);
  return kernels::crop_to_frame(frame_to_aligned, static_cast<double>(size.width),
                                static_cast<double>(size.height), edge, edge);
}

std::vector<FaceSequence> make_sequences(std::span<const face::FrameFaces> frames,
                                         int64_t resolution) {
  std::vector<FaceSequence> sequences;
  std::map<int64_t, size_t> places;  // of the identities
  for (size_t frame = 0; frame < frames.size(); ++frame) {
    for (const auto& face : frames[frame].faces) {
      const auto [place, is_new] = places.try_emplace(face.identity, sequences.size());
      if (is_new) sequences.emplace_back();
      sequences[place->second].faces.push_back(
          {frame, crop_map(face.matrix, resolution), face.weight});
    }
  }
  return sequences;
}

std::vector<FaceSequence> split_fields(std::vector<FaceSequence> sequences,
                                       std::span<const kernels::ImageView> views) {
  using kernels::Field;
  std::vector<FaceSequence> split;
  for (auto& sequence : sequences) {
    FaceSequence later;
    for (auto& face : sequence.faces) {
      const auto& view = views[face.frame];
      if (!is_interlaced(view)) continue;
      const bool top_first = view.scan == kernels::Scan::kTopFieldFirst;
      face.field = top_first ? Field::kTop : Field::kBottom;
      later.faces.push_back(face);
      later.faces.back().field = top_first ? Field::kBottom : Field::kTop;
      later.faces.back().later = true;
    }
    split.push_back(std::move(sequence));
    if (!later.faces.empty()) split.push_back(std::move(later));
  }
  return split;
}

bool has_fields(std::span<const kernels::ImageView> views) {
  return std::any_of(views.begin(), views.end(), is_interlaced);
}

FrameResult frame_result(const face::FrameFaces& faces) {
  FrameResult result;
  if (faces.refused) {
    result.outcome = FrameOutcome::kImplausible;
    result.face = face_box(faces.refused->box);
    result.confidence = faces.refused->confidence;
  }
  for (const auto& face : faces.faces) {
    const auto box = face_box(face.box);
    if (result.faces++ > 0 && area(box) <= area(result.face)) continue;
    result.outcome = FrameOutcome::kEdited;
    result.face = box;
    result.confidence = face.confidence;
    result.weight = face.weight;
  }
  return result;
}

}  // namespace latentsync::lipsync
