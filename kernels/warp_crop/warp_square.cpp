#include "kernels/warp_crop/warp_square.h"

#include "kernels/image/tensors.h"
#include "kernels/warp_crop/warp_crop.h"
#include "kernels/warp_crop/warp_crop_on_cuda.h"

#include <c10/util/Exception.h>

namespace latentsync::kernels {

void warp_square(const ImageView& frame, const at::Tensor& square, ValueRange range,
                 const at::Tensor& crop, Outside outside) {
  check_image(frame);
  TORCH_CHECK(crop.dim() == 3 && crop.size(0) == 3 && crop.size(1) == crop.size(2),
              "warp_square: the crop is [3, E, E]");
  check_tensor(crop, "warp_square: the crop", frame);
  TORCH_CHECK(square.scalar_type() == at::kDouble && square.is_contiguous() &&
                  square.numel() == 4 && square.device() == crop.device(),
              "warp_square: the square is float64 [4] on the frame's device");
  const WarpOptions options{.outside = outside, .filter = WarpFilter::kAverages};
  if (frame.device == kSystemMemory) {
    const auto* values = square.const_data_ptr<double>();
    const Square shown{values[0], values[1], values[2], values[3]};
    if (!is_usable(shown, frame.width, frame.height)) {
      crop.zero_();
      return;
    }
    warp_crop(frame, map_of(shown, static_cast<double>(crop.size(2))), range, crop, options);
  } else {
#ifdef LATENTSYNC_HAVE_CUDA
    warp_square_on_cuda(components(frame), square, frame.width, frame.height, range, crop, options);
#else
    TORCH_CHECK(false, kNoCuda);
#endif
  }
}

}  // namespace latentsync::kernels
