#include "core/face/blazeface.h"
#include "core/face/face_mesh.h"
#include "core/model/state_dict.h"
#include "core/nn/prepare.h"
#include "tests/support/compare.h"
#include "tests/support/golden.h"
#include "tests/support/models_dir.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr const char* kFile = "facenets/facenets.safetensors";
constexpr const char* kInput = ".input";
const Tolerance kTolerance{.rel_l2 = 1e-5};

// The shipped weights, as these networks always run: in float32.
template <typename Network>
std::shared_ptr<Network> load(const std::string& name, bool packed) {
  auto network = std::make_shared<Network>();
  const auto path = test::models_dir() / "face" / (name + ".safetensors");
  model::load_state(*network, model::open_tensor_file(path).tensors, path.string(), test_device());
  if (packed) nn::prepare_for_inference(*network);
  return network;
}

// "network.case" of everything the file holds for a network.
std::vector<std::string> cases_of(const model::TensorFile& file, const std::string& network) {
  std::vector<std::string> cases;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.starts_with(network + ".") && name.ends_with(kInput)) {
      cases.push_back(name.substr(0, name.size() - std::string(kInput).size()));
    }
  }
  return cases;
}

// The output of a case whose last dimension has this size.
at::Tensor output(const model::TensorFile& file, const std::string& name, int64_t last) {
  for (const auto& [key, tensor] : file.tensors) {
    if (key.starts_with(name + ".out.") && tensor.size(-1) == last) return tensor;
  }
  throw std::runtime_error(name + " has no output of " + std::to_string(last) + " values");
}

// Inputs are [N, H, W, C] in the file.
at::Tensor input(const model::TensorFile& file, const std::string& name) {
  return file.tensors.at(name + kInput).to(test_device()).permute({0, 3, 1, 2});
}

// With dense weights, and packed for inference.
class GoldenFaceNets : public testing::TestWithParam<bool> {
 protected:
  template <typename Network>
  void expect_candidates(const std::string& name) {
    const auto network = load<Network>(name, GetParam());
    const auto cases = cases_of(file_, name);
    ASSERT_FALSE(cases.empty());
    for (const auto& one : cases) {
      SCOPED_TRACE(one);
      const auto candidates = network->forward(input(file_, one));
      EXPECT_TRUE(
          close(candidates.boxes, output(file_, one, face::BlazeFace::kBoxValues), kTolerance));
      EXPECT_TRUE(close(candidates.logits, output(file_, one, 1).squeeze(-1), kTolerance));
    }
  }

  at::NoGradGuard no_grad_;
  model::TensorFile file_ = golden(kFile);
};

// Boxes and scores of every anchor equal the published short-range network's.
TEST_P(GoldenFaceNets, ShortRangeDetector) {
  expect_candidates<face::BlazeFaceShortRange>("face_detection_short_range");
}

// Boxes and scores of every anchor equal the published full-range network's.
TEST_P(GoldenFaceNets, FullRangeDetector) {
  expect_candidates<face::BlazeFaceFullRange>("face_detection_full_range_sparse");
}

// The mesh and the presence of a face equal the published network's.
TEST_P(GoldenFaceNets, Mesh) {
  const std::string name = "face_landmark";
  const auto network = load<face::FaceMesh>(name, GetParam());
  const auto cases = cases_of(file_, name);
  ASSERT_FALSE(cases.empty());
  for (const auto& one : cases) {
    SCOPED_TRACE(one);
    const auto mesh = network->forward(input(file_, one));
    const auto values = face::FaceMesh::kPoints * 3;
    EXPECT_TRUE(
        close(mesh.landmarks.flatten(1), output(file_, one, values).flatten(1), kTolerance));
    EXPECT_TRUE(close(mesh.presence, output(file_, one, 1).flatten(), kTolerance));
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, GoldenFaceNets, testing::Bool(),
                         [](const auto& info) { return info.param ? "Packed" : "Dense"; });

}  // namespace
}  // namespace latentsync::test
