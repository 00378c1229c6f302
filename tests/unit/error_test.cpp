#include "core/error.h"

#include <new>
#include <stdexcept>
#include <string>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace latentsync {
namespace {

// An error carries its code, its sentence and its detail apart.
TEST(Error, KeepsCodeMessageAndDetail) {
  const Error error(ErrorCode::kNotFound, "No such file.", "errno 2");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_STREQ(error.what(), "No such file.");
  EXPECT_EQ(error.detail(), "errno 2");
}

template <typename Throw>
Error translated(Throw&& raise) {
  try {
    raise();
  } catch (...) {
    return current_error();
  }
  throw std::logic_error("nothing was thrown");
}

// Whatever reaches the boundary becomes one Error with the code that fits, and keeps its text in
// the detail.
TEST(CurrentError, TranslatesEveryException) {
  const auto own = translated([] { throw Error(ErrorCode::kCancelled, "Stopped.", "step 3"); });
  EXPECT_EQ(own.code(), ErrorCode::kCancelled);
  EXPECT_EQ(own.detail(), "step 3");

  const auto memory = translated([] { throw std::bad_alloc(); });
  EXPECT_EQ(memory.code(), ErrorCode::kOutOfMemory);

  const auto device =
      translated([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "no 2 GiB left"); });
  EXPECT_EQ(device.code(), ErrorCode::kOutOfMemory);
  EXPECT_NE(device.detail().find("no 2 GiB left"), std::string::npos);

  for (const char* text : {"CUDA error: out of memory",
                           "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"}) {
    const auto accelerator = [&] { throw c10::AcceleratorError({"", "", 0}, 2, text); };
    EXPECT_EQ(translated(accelerator).code(), ErrorCode::kOutOfMemory) << text;
    EXPECT_EQ(translated([&] { TORCH_CHECK(false, text); }).code(), ErrorCode::kOutOfMemory);
  }

  const auto torch = translated([] { TORCH_CHECK(false, "shapes"); });
  EXPECT_EQ(torch.code(), ErrorCode::kInternal);
  EXPECT_NE(torch.detail().find("shapes"), std::string::npos);

  EXPECT_EQ(translated([] { throw std::runtime_error("x"); }).detail(), "x");
  EXPECT_EQ(translated([] { throw 5; }).code(), ErrorCode::kInternal);
}

}  // namespace
}  // namespace latentsync
