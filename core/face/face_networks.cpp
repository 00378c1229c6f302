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

constexpr char kShortRange[] = "face_detection_short_range.safetensors";
constexpr char kFullRange[] = "face_detection_full_range_sparse.safetensors";
constexpr char kLandmarks[] = "face_landmark.safetensors";

template <typename Network>
std::shared_ptr<Network> load(const std::filesystem::path& path, c10::Device device) {
  auto network = std::make_shared<Network>();
  model::load_state(*network, model::open_tensor_file(path).tensors, path.string(), device);
  nn::prepare_for_inference(*network);
  return network;
}

}  // namespace

std::vector<std::filesystem::path> face_network_files(const std::filesystem::path& folder) {
  return {folder / kShortRange, folder / kFullRange, folder / kLandmarks};
}

FaceTracker load_face_tracker(const std::filesystem::path& folder, c10::Device device) {
  // The short-range network first: it is the smaller one, and no worse for large faces.
  std::vector<std::shared_ptr<BlazeFace>> detectors = {
      load<BlazeFaceShortRange>(folder / kShortRange, device),
      load<BlazeFaceFullRange>(folder / kFullRange, device)};
  return {FaceDetector(std::move(detectors)),
          FaceLandmarker(load<FaceMesh>(folder / kLandmarks, device))};
}

}  // namespace latentsync::face
