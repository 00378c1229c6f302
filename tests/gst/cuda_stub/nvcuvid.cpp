#include "gst/cuda/driver_abi.h"

/// libnvcuvid.so.1 of a GPU that decodes nothing: GStreamer's nvcodec plugin registers cudaupload
/// and cudadownload only where the library is there.
#define LATENTSYNC_UNSUPPORTED(name) \
  latentsync::cuda::Result name() { return latentsync::cuda::kNotSupported; }

extern "C" {

LATENTSYNC_UNSUPPORTED(cuvidCtxLockCreate)
LATENTSYNC_UNSUPPORTED(cuvidCtxLockDestroy)
LATENTSYNC_UNSUPPORTED(cuvidCtxLock)
LATENTSYNC_UNSUPPORTED(cuvidCtxUnlock)
LATENTSYNC_UNSUPPORTED(cuvidCreateDecoder)
LATENTSYNC_UNSUPPORTED(cuvidReconfigureDecoder)
LATENTSYNC_UNSUPPORTED(cuvidDestroyDecoder)
LATENTSYNC_UNSUPPORTED(cuvidDecodePicture)
LATENTSYNC_UNSUPPORTED(cuvidCreateVideoParser)
LATENTSYNC_UNSUPPORTED(cuvidParseVideoData)
LATENTSYNC_UNSUPPORTED(cuvidDestroyVideoParser)
LATENTSYNC_UNSUPPORTED(cuvidMapVideoFrame)
LATENTSYNC_UNSUPPORTED(cuvidMapVideoFrame64)
LATENTSYNC_UNSUPPORTED(cuvidUnmapVideoFrame)
LATENTSYNC_UNSUPPORTED(cuvidUnmapVideoFrame64)
LATENTSYNC_UNSUPPORTED(cuvidGetDecoderCaps)

}  // extern "C"
