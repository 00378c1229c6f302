#include "core/model/torch_zip_format.h"
#include "tests/fuzz/touch.h"
#include "tests/support/bad_files.h"

#include <string>
#include <vector>

// The bytes are the pickle of a sound zip file, so that the fuzzer need not find a way through the
// zip: refused with an Error, or tensors that lie within the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string zip =
      latentsync::test::torch_zip_of(std::string(reinterpret_cast<const char*>(data), size));
  const std::vector<uint8_t> exact(zip.begin(), zip.end());
  try {
    latentsync::fuzz::touch(latentsync::model::list_torch_zip(exact, "fuzz"), exact);
  } catch (const latentsync::Error&) {
  }
  return 0;
}
