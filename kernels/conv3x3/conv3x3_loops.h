#pragma once

#include "kernels/cpu/levels.h"

#include <cstdint>

/// The CPU loops of conv3x3: Winograd's minimal filtering F(4x4, 3x3) over tiles of 4 x 4 outputs,
/// channels-last float. A tile's 6 x 6 inputs become 36 values, which are multiplied apart from
/// each other by 36 matrices; 36 results become its outputs. Plain pointers; see conv3x3.h.
namespace latentsync::kernels {

constexpr int64_t kConv3x3Values = 36;   ///< of a tile, and matrices of weights
constexpr int64_t kConv3x3Columns = 16;  ///< of a matrix that lie together, in panels
constexpr int64_t kConv3x3Padding =
    16;  ///< floats between the 36 parts: else they share cache sets

/// Images of HEIGHT x WIDTH pixels, cut into ceil(HEIGHT / 4) x ceil(WIDTH / 4) tiles each, which
/// are numbered along rows, then down, then from image to image.
struct Conv3x3Image {
  int64_t height, width;
  int64_t across() const { return (width + 3) / 4; }
  int64_t down() const { return (height + 3) / 4; }
};

/// Weights [3][3] of 16 channels that lie CHANNEL apart, turned by half a circle where TURNED -> 36
/// rows of 16 values, STEP apart.
LATENTSYNC_CPU_DECLARE(void conv3x3_weights(const float* weight, int64_t channel, bool turned,
                                            int64_t step, float* values))

/// The values of COUNT tiles from FIRST on: to[36][COUNT][channels], parts PART floats apart. What
/// lies outside the image is zero; zeros: CHANNELS of them. channels: a multiple of 16.
LATENTSYNC_CPU_DECLARE(void conv3x3_inputs(const Conv3x3Image& image, const float* x,
                                           int64_t channels, int64_t first, int64_t count,
                                           const float* zeros, int64_t part, float* to))

/// to[r][c] = sum over k of a[r][k] * b[k][c], or, where ADD, so much more. r < rows, c < columns,
/// a multiple of 16; a's elements are a_row and a_depth apart, b is in panels of 16 columns,
/// [columns / 16][depth][16] with its rows B_DEPTH apart and panels B_PANEL, to's rows are TO_ROW
/// apart.
struct Conv3x3Product {
  int64_t rows, columns, depth;
  int64_t a_row, a_depth, b_depth, b_panel, to_row;
};
LATENTSYNC_CPU_DECLARE(void conv3x3_multiply(const Conv3x3Product& product, const float* a,
                                             const float* b, bool add, float* to))

/// The outputs of COUNT tiles from their values from[36][COUNT][channels], parts PART floats apart:
/// y = act(outputs + bias + residual), act = ReLU or identity. bias [channels] and residual, of y's
/// shape, may be null.
LATENTSYNC_CPU_DECLARE(void conv3x3_outputs(const Conv3x3Image& image, const float* from,
                                            int64_t part, int64_t channels, int64_t first,
                                            int64_t count, const float* bias, const float* residual,
                                            bool relu, float* y))

// The gradient's way back.

/// The gradient of the values of COUNT tiles, from that of their outputs:
/// conv3x3_outputs() transposed, without activation. to[36][COUNT][channels].
LATENTSYNC_CPU_DECLARE(void conv3x3_output_gradients(const Conv3x3Image& image, const float* dy,
                                                     int64_t channels, int64_t first, int64_t count,
                                                     const float* zeros, int64_t part, float* to))

/// The gradient of the weights [3][3] of 16 channels, CHANNEL apart: conv3x3_weights()
/// transposed.
LATENTSYNC_CPU_DECLARE(void conv3x3_weight_gradients(const float* values, int64_t step,
                                                     int64_t channel, float* weight))

}  // namespace latentsync::kernels
