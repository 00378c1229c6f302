#include "core/lipsync/prepared_bytes.h"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>

namespace latentsync::lipsync {
namespace {

template <typename T>
concept Scalar = std::is_arithmetic_v<T> || std::is_enum_v<T>;

/// Const or not: one list of members serves both directions.
template <typename T, typename Of>
concept Is = std::same_as<std::remove_const_t<T>, Of>;

class Encoder {
 public:
  template <Scalar T>
  void scalar(const T& value) {
    append(&value, sizeof value);
  }

  template <typename T>
  size_t count(const std::vector<T>& values) {
    scalar(static_cast<int64_t>(values.size()));
    return values.size();
  }

  template <typename T>
  bool presence(const std::optional<T>& value) {
    scalar(int64_t{value.has_value()});
    return value.has_value();
  }

  void tensor(const at::Tensor& tensor) {
    scalar(int64_t{tensor.defined()});
    if (!tensor.defined()) return;
    const auto values = tensor.cpu().contiguous();
    scalar(values.scalar_type());
    scalar(values.dim());
    for (const int64_t size : values.sizes()) scalar(size);
    append(values.const_data_ptr(), values.nbytes());
  }

  cache::Bytes bytes() const {
    cache::Bytes bytes(bytes_.size());
    std::ranges::copy(bytes_, bytes.span().begin());
    return bytes;
  }

 private:
  void append(const void* data, size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }

  std::vector<std::byte> bytes_;
};

// Where the bytes end early or are nonsense, whole() is false, and the rest is zeros.
class Decoder {
 public:
  Decoder(std::span<const std::byte> bytes, c10::Device device) : bytes_(bytes), device_(device) {}

  bool whole() const { return good_ && bytes_.empty(); }

  template <Scalar T>
  void scalar(T& value) {
    value = {};
    take(&value, sizeof value);
  }

  template <typename T>
  size_t count(std::vector<T>& values) {
    const auto size = number(static_cast<int64_t>(bytes_.size()));
    values.resize(static_cast<size_t>(size));
    return values.size();
  }

  template <typename T>
  bool presence(std::optional<T>& value) {
    if (number(1) == 1) value.emplace();
    return value.has_value();
  }

  void tensor(at::Tensor& tensor) {
    if (number(1) == 0) return;
    c10::ScalarType type{};
    scalar(type);
    good_ = good_ && (type == at::kFloat || type == at::kHalf || type == at::kBFloat16);
    constexpr int64_t kMostDimensions = 8;
    std::vector<int64_t> sizes(static_cast<size_t>(number(kMostDimensions)));
    int64_t elements = 1;
    for (auto& size : sizes) {
      size = number(static_cast<int64_t>(bytes_.size()));
      elements *= size;
      good_ = good_ && elements <= std::ssize(bytes_);
    }
    if (!good_) return;
    const auto values = at::empty(sizes, type);
    take(values.mutable_data_ptr(), values.nbytes());
    tensor = values.to(device_);
  }

 private:
  void take(void* place, size_t size) {
    good_ = good_ && size <= bytes_.size();
    if (!good_) return;
    std::memcpy(place, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
  }

  // From 0 to MOST.
  int64_t number(int64_t most) {
    int64_t value = 0;
    scalar(value);
    good_ = good_ && value >= 0 && value <= most;
    return good_ ? value : 0;
  }

  std::span<const std::byte> bytes_;
  c10::Device device_;
  bool good_ = true;
};

// The members of each value, in order.
template <typename Archive>
class Walk {
 public:
  explicit Walk(Archive& archive) : archive_(archive) {}

  template <typename... Values>
  void operator()(Values&... values) {
    (walk(values), ...);
  }

 private:
  void walk(Scalar auto& value) { archive_.scalar(value); }
  void walk(Is<at::Tensor> auto& tensor) { archive_.tensor(tensor); }

  template <typename Optional>
  requires requires(Optional& optional) { optional.has_value(); }
  void walk(Optional& optional) {
    if (archive_.presence(optional)) walk(*optional);
  }
  template <typename Vector>
  requires requires(Vector& vector) { vector.capacity(); }
  void walk(Vector& vector) {
    archive_.count(vector);
    for (auto& value : vector) walk(value);
  }

  void walk(Is<face::AffineMatrix> auto& matrix) {
    for (auto& row : matrix) (*this)(row[0], row[1], row[2]);
  }
  void walk(Is<face::Point> auto& point) { (*this)(point.x, point.y); }
  void walk(Is<face::Box> auto& box) { (*this)(box.left, box.top, box.width, box.height); }
  void walk(Is<face::RotatedSquare> auto& square) {
    (*this)(square.center, square.size, square.rotation);
  }
  void walk(Is<face::FaceTrack> auto& track) { (*this)(track.region, track.appearance); }
  void walk(Is<face::AlignmentState> auto& state) { (*this)(state.offset); }
  void walk(Is<face::FollowSettings> auto& settings) {
    (*this)(settings.select, settings.nearest_x, settings.nearest_y, settings.resolution);
  }
  void walk(Is<face::FollowedFace> auto& face) {
    (*this)(face.identity, face.track, face.likeness, face.alignment, face.matrix, face.box,
            face.confidence, face.faded_in);
  }
  void walk(Is<face::FollowState> auto& state) {
    (*this)(state.faces, state.settings, state.scene, state.since_search, state.identities);
  }

  void walk(Is<FaceBox> auto& box) { (*this)(box.left, box.top, box.width, box.height); }
  void walk(Is<FrameResult> auto& result) {
    (*this)(result.outcome, result.face, result.confidence, result.weight, result.faces);
  }
  void walk(Is<kernels::Affine> auto& map) {
    (*this)(map.xx, map.xy, map.x0, map.yx, map.yy, map.y0);
  }
  void walk(Is<PlacedFace> auto& face) {
    (*this)(face.frame, face.crop_to_frame, face.weight, face.field, face.later);
  }
  void walk(Is<FaceSequence> auto& sequence) { (*this)(sequence.faces); }
  void walk(Is<diffusion::Conditioning> auto& conditioning) {
    (*this)(conditioning.mask, conditioning.masked_latents, conditioning.reference_latents);
  }
  void walk(Is<Prepared> auto& prepared) {
    (*this)(prepared.frames, prepared.follow, prepared.sequences, prepared.conditioning);
  }

  Archive& archive_;
};

template <typename Value>
cache::Bytes encoded(const Value& value) {
  Encoder encoder;
  Walk walk(encoder);
  walk(value);
  return encoder.bytes();
}

}  // namespace

cache::Bytes bytes_of(const Prepared& prepared) { return encoded(prepared); }

cache::Bytes bytes_of(const face::FollowState& state) { return encoded(state); }

std::optional<Prepared> prepared_from(std::span<const std::byte> bytes, c10::Device device) {
  Prepared prepared;
  Decoder decoder(bytes, device);
  Walk walk(decoder);
  walk(prepared);
  if (!decoder.whole() || prepared.sequences.size() != prepared.conditioning.size()) {
    return std::nullopt;
  }
  return prepared;
}

}  // namespace latentsync::lipsync
