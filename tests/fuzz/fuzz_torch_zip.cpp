#include "core/model/torch_zip_format.h"
#include "tests/fuzz/touch.h"

// Any bytes are refused with an Error, or give tensors that lie within them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> file(data, size);
  try {
    latentsync::fuzz::touch(latentsync::model::list_torch_zip(file, "fuzz"), file);
  } catch (const latentsync::Error&) {
  }
  return 0;
}
