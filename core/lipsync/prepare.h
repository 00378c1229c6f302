#pragma once

#include "core/cache/entry.h"
#include "core/diffusion/denoiser.h"
#include "core/face/follow.h"
#include "core/lipsync/face_sequences.h"
#include "core/lipsync/frames_in_reach.h"
#include "core/lipsync/window_context.h"

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

/// The first of a window's three stages (prepare, denoise, commit): all that is known of it before
/// something is generated. Frames are only read.
namespace latentsync::lipsync {

struct Prepared {
  std::vector<FrameResult> frames;
  face::FollowState follow;  ///< that the next window enters with
  std::vector<FaceSequence> sequences;
  std::vector<diffusion::Conditioning> conditioning;  ///< of each sequence
  StageSeconds seconds;                               ///< that it took
  std::optional<cache::NewEntry> entry;               ///< to be kept when the window is committed
};

/// Audio features [N, tokens, features] of the window's frames; with FIELDS, behind them those of
/// the fields that are shown second.
using AudioFeatures = std::function<at::Tensor(bool fields)>;

/// VIEWS are all frames of the window, FOLLOW is the state that it enters with. Errors: kCancelled,
/// those of the networks and of AUDIO.
Prepared prepare_window(const WindowContext& context, std::span<const kernels::ImageView> views,
                        face::FollowState follow, const AudioFeatures& audio);

/// The audio's part of what is PREPARED but for that. VIEWS and errors as above.
void add_audio(const WindowContext& context, std::span<const kernels::ImageView> views,
               const AudioFeatures& audio, Prepared& prepared);

/// The crops of a face, float32 [F, 3, R, R] in [-1, 1] on DEVICE, straight from frames of any
/// format. VIEWS are all frames of the window.
at::Tensor take_crops(const FaceSequence& sequence, std::span<const kernels::ImageView> views,
                      int64_t resolution, c10::Device device);

/// What each sequence is denoised towards. FRAMES are all of the window; their copies are given
/// back as soon as no crop is left to be taken. AUDIO as AudioFeatures gives it for the window.
/// Errors: kCancelled, those of the networks.
std::vector<diffusion::Conditioning> encode_faces(const WindowContext& context,
                                                  std::span<const FaceSequence> sequences,
                                                  FramesInReach frames, const at::Tensor& audio);

}  // namespace latentsync::lipsync
