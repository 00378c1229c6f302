#pragma once

#include "core/cache/bytes.h"
#include "core/face/follow.h"
#include "core/lipsync/prepare.h"

#include <cstddef>
#include <optional>
#include <span>

#include <c10/core/Device.h>

/// A window's faces as bytes. Every value is kept bit by bit, tensors with their type and shape,
/// not their strides. Where tensors lie on a device, it is for a task of it.
namespace latentsync::lipsync {

/// All of PREPARED but its times and the audio's features.
cache::Bytes bytes_of(const Prepared& prepared);

/// What bytes_of() was given, without times and audio features, its tensors on DEVICE. None where
/// BYTES are something else.
std::optional<Prepared> prepared_from(std::span<const std::byte> bytes, c10::Device device);

/// Equal for equal states only.
cache::Bytes bytes_of(const face::FollowState& state);

}  // namespace latentsync::lipsync
