#include "core/error.h"

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

}  // namespace
}  // namespace latentsync
