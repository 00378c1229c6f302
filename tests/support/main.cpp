#include <ATen/Context.h>
#include <gtest/gtest.h>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // The tolerances of float32 hold for float32 arithmetic, on a GPU too.
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  return RUN_ALL_TESTS();
}
