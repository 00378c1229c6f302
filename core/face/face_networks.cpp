#include "core/face/face_networks.h"

#include "core/model/state_dict.h"
#include "core/model/tensor_file.h"
#include "core/nn/prepare.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace latentsync::face {
namespace {

template <typename Network>
std::shared_ptr<Network> load(const std::filesystem::path& folder, const std::string& name,
                              c10::Device device) {
  const auto path = folder / (name + ".safetensors");
  auto network = std::make_shared<Network>();
  model::load_state(*network, model::open_tensor_file(path).tensors, path.string(), device);
  nn::prepare_for_inference(*network);
  return network;
}

}  // namespace

FaceTracker load_face_tracker(const std::filesystem::path& folder, c10::Device device) {
  // The short-range network first: it is the smaller one, and no worse for large faces.
  std::vector<std::shared_ptr<BlazeFace>> detectors = {
      load<BlazeFaceShortRange>(folder, "face_detection_short_range", device),
      load<BlazeFaceFullRange>(folder, "face_detection_full_range_sparse", device)};
  return {FaceDetector(std::move(detectors)),
          FaceLandmarker(load<FaceMesh>(folder, "face_landmark", device))};
}

}  // namespace latentsync::face
