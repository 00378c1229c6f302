#pragma once

#include <functional>

namespace latentsync {

/// Calls a part of a longer piece of work (a denoising step, a batch of the autoencoder) where and
/// when it may run, on whatever thread; returns when it has ended, with what it throws.
using PartRunner = std::function<void(const std::function<void()>& part)>;

}  // namespace latentsync
