#include "core/model/tensor_file.h"
#include "tests/support/pt_writer.h"
#include "tests/support/pt_writer_parts.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/temporary_folder.h"

#include <cstdint>
#include <fstream>

#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

namespace latentsync::model {
namespace {

const at::ScalarType kTypes[] = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong,
                                 at::kInt,   at::kShort,  at::kChar, at::kByte,     at::kBool};

TensorMap one_of_each_type() {
  TensorMap tensors;
  for (const at::ScalarType type : kTypes) {
    tensors.emplace(std::string("layer.") + c10::toString(type),
                    at::arange(6).reshape({2, 3}).to(type));
  }
  tensors.emplace("scalar", at::arange(1, 2, at::kFloat).squeeze());
  tensors.emplace("empty", at::arange(0, at::kFloat).reshape({0, 4}));
  return tensors;
}

void expect_equal(const TensorMap& actual, const TensorMap& expected, const std::string& prefix) {
  EXPECT_EQ(actual.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const auto found = actual.find(prefix + name);
    ASSERT_NE(found, actual.end()) << name;
    EXPECT_EQ(found->second.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(found->second.equal(tensor)) << name;
  }
}

// Every element type survives being written as safetensors and read again.
TEST(TensorFile, SafetensorsRoundTrip) {
  const test::TemporaryFolder folder;
  const auto tensors = one_of_each_type();
  test::write_safetensors(folder / "a", tensors);
  expect_equal(open_tensor_file(folder / "a").tensors, tensors, "");
}

// Every element type survives being written as a .pt and read again, with and without ZIP64.
TEST(TensorFile, TorchZipRoundTrip) {
  const test::TemporaryFolder folder;
  const auto tensors = one_of_each_type();
  for (const bool zip64 : {false, true}) {
    test::write_torch_file(folder / "a", tensors,
                           {.state_key = "state_dict",
                            .integers = {{"global_step", int64_t{1} << 40}, {"dims.n_mels", 80}},
                            .force_zip64 = zip64});
    const auto file = open_tensor_file(folder / "a");
    expect_equal(file.tensors, tensors, "state_dict.");
    EXPECT_EQ(file.integers.at("global_step"), int64_t{1} << 40);
    EXPECT_EQ(file.integers.at("dims.n_mels"), 80);
  }
}

// Metadata of a safetensors file is given as it stands there.
TEST(TensorFile, MetadataIsRead) {
  const test::TemporaryFolder folder;
  const auto source = [](const test::TensorSpec&) { return at::arange(2, at::kFloat); };
  test::write_safetensors(folder / "a", {{"x", {2}}}, source, {{"format", "pt"}});
  EXPECT_EQ(open_tensor_file(folder / "a").metadata.at("format"), "pt");
}

// A header length whose first bytes spell "PK" does not make a safetensors file a zip.
TEST(TensorFile, TheContentDecidesEvenIfTheHeaderLengthSpellsPK) {
  const test::TemporaryFolder folder;
  std::string header = R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  header.append(0x4b50 - header.size(), ' ');
  std::ofstream(folder / "a", std::ios::binary) << test::safetensors_bytes(header, "\x07");
  EXPECT_EQ(open_tensor_file(folder / "a").tensors.at("x").item<int>(), 7);
}

// A tensor that is not aligned to its element size in the file is aligned in memory, with the same
// values; the others stay views.
TEST(TensorFile, MisalignedTensorsAreCopied) {
  const test::TemporaryFolder folder;
  const auto values = at::arange(5, at::kFloat);
  const std::string data(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
  for (size_t padding = 0; padding < 8; ++padding) {
    std::string header = R"({"x":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}})";
    header.append(padding, ' ');
    std::ofstream(folder / "a", std::ios::binary) << test::safetensors_bytes(header, data);
    const auto tensor = open_tensor_file(folder / "a").tensors.at("x");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % sizeof(float), 0u);
    EXPECT_TRUE(tensor.equal(values));
  }
}

// Tensors of one storage share its copy, too.
TEST(TensorFile, MisalignedTensorsThatShareAreCopiedOnce) {
  const test::TemporaryFolder folder;
  test::PickleWriter pickle;
  pickle.op("\x80\x02}(");
  pickle.string("x").tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1});
  pickle.string("y").tensor("FloatStorage", "0", 6, 0, {3, 2}, {1, 3});
  const auto values = at::arange(6, at::kFloat);
  const std::string data(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
  {
    std::ofstream stream(folder / "a", std::ios::binary);
    test::ZipWriter zip(stream, false, 1);
    zip.add("a/data.pkl", pickle.op("u.").bytes());
    zip.add("a/data/0", data);
    zip.finish();
  }
  const auto tensors = open_tensor_file(folder / "a").tensors;
  EXPECT_TRUE(tensors.at("x").equal(values.view({2, 3})));
  EXPECT_TRUE(tensors.at("y").equal(values.view({2, 3}).t()));
  EXPECT_EQ(tensors.at("x").const_data_ptr(), tensors.at("y").const_data_ptr());
}

// Giving the pages back changes no value, and leaves tensors of one's own alone.
TEST(TensorFile, ReleasedPagesComeBack) {
  const test::TemporaryFolder folder;
  const auto values = at::arange(10000, at::kFloat);
  test::write_safetensors(folder / "a", {{"x", values}});
  const auto view = open_tensor_file(folder / "a").tensors.at("x");
  release_pages(view);
  EXPECT_TRUE(view.equal(values));
  release_pages(values);
  EXPECT_EQ(values[9999].item<float>(), 9999);
}

// A tensor outlives the TensorFile it came from.
TEST(TensorFile, TensorsKeepTheMappingAlive) {
  const test::TemporaryFolder folder;
  test::write_safetensors(folder / "a", {{"x", at::arange(4, at::kFloat)}});
  at::Tensor kept;
  { kept = open_tensor_file(folder / "a").tensors.at("x").slice(0, 1, 3); }
  EXPECT_EQ(kept.sum().item<float>(), 3);
}

}  // namespace
}  // namespace latentsync::model
