#include "tests/support/weights.h"

#include "tests/support/compare.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

// The generator gives the first values that the golden data lists for the real-size UNet, bit for
// bit.
TEST(Weights, GeneratorMatchesTheListedValues) {
  const auto file = golden("real/unet_real.safetensors");
  int checked = 0;
  for (const auto& entry : read_manifest(golden_dir() / "real/unet_manifest.json").params) {
    const auto listed = file.tensors.find("weights." + entry.name + "[:8]");
    if (listed == file.tensors.end()) continue;
    const auto made = generate_weight(entry.name, entry.shape, 11).flatten();
    EXPECT_TRUE(made.slice(0, 0, listed->second.numel()).equal(listed->second)) << entry.name;
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

}  // namespace
}  // namespace latentsync::test
