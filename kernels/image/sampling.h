#pragma once

#include "kernels/image/affine.h"
#include "kernels/image/component_maps.h"
#include "kernels/image/components.h"
#include "kernels/image/resample_loops.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

/// From a crop and a frame to what the loops of resample_loops.h take.
namespace latentsync::kernels {

/// What the values of a crop's channels mean.
enum class ValueRange {
  kSigned,  ///< [-1, 1], as the networks take and give them
  kUnit,    ///< [0, 1]
};

/// What lies outside the frame.
enum class Outside {
  kGrey,   ///< 127/255, as the reference has it
  kBlack,  ///< R = G = B = 0
  kEdge,   ///< the nearest sample of each component
};

/// How far apart a map's targets lie among its sources, never below one sample.
struct Footprint {
  double x, y;
};

/// From the numbers of a component's samples to points of the map's target.
Affine from_samples(const Component& component, const Affine& map);

/// Throws c10::Error above kMostFootprint.
Footprint footprint_of(const Affine& map);

/// The filter's tables of a footprint.
class Filter {
 public:
  explicit Filter(const Footprint& footprint);
  Filter(Filter&&) = default;  // the tables' memory moves with them
  const FilterTable& across() const { return across_; }
  const FilterTable& down() const { return down_; }

 private:
  std::vector<float> weights_across_;
  std::vector<float> weights_down_;
  FilterTable across_;
  FilterTable down_;
};

/// A tile that owns its memory.
class OwnedTile {
 public:
  OwnedTile(int32_t left, int32_t top, int32_t width, int32_t height, int32_t lanes);
  const Tile& view() const { return tile_; }
  float* row(int32_t r) { return data_.get() + r * tile_.stride; }  ///< counted from the top
  void finish();  ///< gives the slack values, when all rows are written

 private:
  std::unique_ptr<float[]> data_;
  Tile tile_;
};

/// Writes `count` times the same sample.
void fill_samples(float* out, int64_t count, int32_t lanes, const float* sample);

/// What a tile has where its grid ends: the nearest sample, or one value for each lane.
struct Border {
  bool repeat;
  float fill[kMostLanes];
};

struct TileGrid {
  int32_t width, height, lanes;
};

/// Writes all lanes of samples first ... first + count - 1 of a grid's row; called by several
/// threads.
using ReadRow = std::function<void(int64_t row, int64_t first, int64_t count, float* out)>;

/// The part of a grid that the filter reads at the points map(x, y), 0 <= x <= width - 1,
/// 0 <= y <= height - 1.
OwnedTile make_tile(const TileGrid& grid, const Affine& map, int64_t width, int64_t height,
                    const Footprint& footprint, const Border& border, const ReadRow& read);

/// The same of a group's samples.
OwnedTile component_tile(const Components& all, const ComponentGroup& group, const Affine& map,
                         int64_t width, int64_t height, const Footprint& footprint,
                         const Border& border);

}  // namespace latentsync::kernels
