#include "tests/support/png.h"

#include <png.h>
#include <stdexcept>

#include <ATen/ops/empty.h>

namespace latentsync::test {

at::Tensor read_png(const std::filesystem::path& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0) {
    throw std::runtime_error(path.string() + ": " + image.message);
  }
  image.format = PNG_FORMAT_RGB;
  const auto pixels = at::empty({image.height, image.width, 3}, at::kByte);
  if (png_image_finish_read(&image, nullptr, pixels.mutable_data_ptr<uint8_t>(), 0, nullptr) == 0) {
    throw std::runtime_error(path.string() + ": " + image.message);
  }
  return pixels;
}

}  // namespace latentsync::test
