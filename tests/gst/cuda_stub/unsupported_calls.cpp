#include "gst/cuda/driver_abi.h"

/// Functions that GStreamer looks up and no test needs. The real ones have arguments, which a
/// function of C's calling convention may ignore.
#define LATENTSYNC_UNSUPPORTED(name) \
  latentsync::cuda::Result name() { return latentsync::cuda::kNotSupported; }

extern "C" {

LATENTSYNC_UNSUPPORTED(cuGraphicsMapResources)
LATENTSYNC_UNSUPPORTED(cuGraphicsUnmapResources)
LATENTSYNC_UNSUPPORTED(cuGraphicsResourceSetMapFlags_v2)
LATENTSYNC_UNSUPPORTED(cuGraphicsSubResourceGetMappedArray)
LATENTSYNC_UNSUPPORTED(cuGraphicsResourceGetMappedPointer_v2)
LATENTSYNC_UNSUPPORTED(cuGraphicsUnregisterResource)
LATENTSYNC_UNSUPPORTED(cuGraphicsGLRegisterImage)
LATENTSYNC_UNSUPPORTED(cuGraphicsGLRegisterBuffer)
LATENTSYNC_UNSUPPORTED(cuGLGetDevices_v2)
LATENTSYNC_UNSUPPORTED(cuGLGetDevices)
LATENTSYNC_UNSUPPORTED(cuGraphicsEGLRegisterImage)
LATENTSYNC_UNSUPPORTED(cuGraphicsResourceGetMappedEglFrame)
LATENTSYNC_UNSUPPORTED(cuModuleLoadData)
LATENTSYNC_UNSUPPORTED(cuModuleUnload)
LATENTSYNC_UNSUPPORTED(cuModuleGetFunction)
LATENTSYNC_UNSUPPORTED(cuTexObjectCreate)
LATENTSYNC_UNSUPPORTED(cuTexObjectDestroy)
LATENTSYNC_UNSUPPORTED(cuLaunchKernel)
LATENTSYNC_UNSUPPORTED(cuIpcGetEventHandle)
LATENTSYNC_UNSUPPORTED(cuIpcOpenEventHandle)
LATENTSYNC_UNSUPPORTED(cuIpcGetMemHandle)
LATENTSYNC_UNSUPPORTED(cuIpcOpenMemHandle)
LATENTSYNC_UNSUPPORTED(cuIpcCloseMemHandle)
LATENTSYNC_UNSUPPORTED(cuMemsetD2D8_v2)
LATENTSYNC_UNSUPPORTED(cuMemsetD2D8Async)
LATENTSYNC_UNSUPPORTED(cuMemsetD2D8Async_v2)
LATENTSYNC_UNSUPPORTED(cuMemsetD2D16_v2)
LATENTSYNC_UNSUPPORTED(cuMemsetD2D16Async)
LATENTSYNC_UNSUPPORTED(cuMemsetD2D32_v2)
LATENTSYNC_UNSUPPORTED(cuMemsetD2D32Async)

}  // extern "C"
