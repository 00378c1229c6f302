#include <torch/library.h>

// Every op of kernels/ is declared here once; each folder beside this file registers its own
// implementations.
TORCH_LIBRARY(latentsync, m) {}
