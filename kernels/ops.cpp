#include <torch/library.h>

// Every op of kernels/ is declared here once; each folder beside this file registers its own
// implementations.
TORCH_LIBRARY(latentsync, m) {
  m.def(
      "group_norm(Tensor x, Tensor? shift, Tensor weight, Tensor bias, int groups, int frames, "
      "float eps, bool silu)"
      " -> Tensor");
  m.def(
      "group_norm_(Tensor(a!) x, Tensor? shift, Tensor weight, Tensor bias, int groups, "
      "int frames, float eps, bool silu)"
      " -> Tensor(a!)");
  m.def("temporal_attention(Tensor q, Tensor k, Tensor v, int heads, int frames) -> Tensor");
  m.def("geglu(Tensor x) -> Tensor");
}
