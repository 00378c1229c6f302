#include "core/face/frame_copy.h"

#include "core/device/transfer.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace latentsync::face {

FrameCopy copy_frame(const kernels::ImageView& image, c10::Device device) {
  const int planes = kernels::plane_count(image.format);
  std::array<int64_t, 3> begin{};
  std::array<int64_t, 3> bytes{};
  int64_t total = 0;
  for (int p = 0; p < planes; ++p) {
    const auto size = kernels::plane_size(image.format, p, image.width, image.height);
    bytes[p] = image.planes[p].stride * (size.rows - 1) + size.row_bytes;
    begin[p] = total;
    constexpr int64_t kAlignment = 4;  // of the widest samples
    total += (bytes[p] + kAlignment - 1) / kAlignment * kAlignment;
  }
  const auto staged = device::staging(total, device);
  for (int p = 0; p < planes; ++p) {
    std::memcpy(staged.mutable_data_ptr<uint8_t>() + begin[p], image.planes[p].data,
                static_cast<size_t>(bytes[p]));
  }
  FrameCopy copy{device::upload(staged, device), image};
  copy.view.device =
      copy.memory.is_cpu() ? kernels::kSystemMemory : static_cast<int>(copy.memory.get_device());
  for (int p = 0; p < planes; ++p) {
    copy.view.planes[p].data = copy.memory.mutable_data_ptr<uint8_t>() + begin[p];
  }
  return copy;
}

}  // namespace latentsync::face
