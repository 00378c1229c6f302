#include "core/lipsync/prepare.h"

#include "core/device/transfer.h"
#include "core/face/image_sampler.h"
#include "core/lipsync/frame_views.h"
#include "core/nn/interruption.h"
#include "kernels/warp_crop/warp_crop.h"

#include <cstddef>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

namespace latentsync::lipsync {
namespace {

// The faces of the frames, the state that they leave, and the frames that they were found in.
struct FoundFaces {
  std::vector<face::FrameFaces> faces;
  face::FollowState follow;
  FramesInReach frames;
};

FoundFaces find_faces(const WindowContext& context, std::span<const kernels::ImageView> views,
                      face::FollowState follow) {
  const auto& settings = context.settings;
  FramesInReach frames(views, context.networks);
  std::vector<face::ImageSampler> samplers;
  samplers.reserve(views.size());
  for (const auto& view : frames.views()) samplers.emplace_back(view, context.networks.device);
  std::vector<const face::FrameSampler*> pictures;
  for (const auto& sampler : samplers) pictures.push_back(&sampler);
  auto faces = context.networks.faces->follow(pictures,
                                              {.select = settings.face_select,
                                               .nearest_x = settings.nearest_x,
                                               .nearest_y = settings.nearest_y,
                                               .resolution = settings.resolution},
                                              follow, context.stop);
  return {std::move(faces), std::move(follow), std::move(frames)};
}

at::Tensor audio_of(const FaceSequence& sequence, const at::Tensor& audio, size_t frame_count) {
  std::vector<int64_t> rows;
  for (const auto& face : sequence.faces) {
    rows.push_back(static_cast<int64_t>(face.frame + (face.later ? frame_count : 0)));
  }
  return audio.index_select(0, device::to_device(at::tensor(rows, at::kLong), audio.device()));
}

at::Tensor features_of(const WindowContext& context, std::span<const kernels::ImageView> views,
                       const AudioFeatures& audio) {
  check_stop(context.stop);
  return context.device.at_rung([&](const Rung& rung) {
    return context.device.launch(context.seconds.audio, [&] {
      context.use_others(rung);
      const nn::Interruptible interruptible(context.stop);
      return audio(has_fields(views));
    });
  });
}

// The crops are made where the frames lie; in system memory that is nobody's turn.
at::Tensor crops_of(const WindowContext& context, const FaceSequence& sequence,
                    std::span<const kernels::ImageView> views) {
  const auto where = device_of(views[sequence.faces.front().frame]);
  const auto crop = [&] { return take_crops(sequence, views, context.settings.resolution, where); };
  return context.device.at_rung([&](const Rung&) {
    return where.is_cpu() ? context.device.beside(context.seconds.face, crop)
                          : context.device.launch(context.seconds.face, crop);
  });
}

}  // namespace

at::Tensor take_crops(const FaceSequence& sequence, std::span<const kernels::ImageView> views,
                      int64_t resolution, c10::Device device) {
  const auto count = static_cast<int64_t>(sequence.faces.size());
  const auto where = device_of(views[sequence.faces.front().frame]);
  const auto crops =
      at::empty({count, 3, resolution, resolution}, at::TensorOptions(at::kFloat).device(where));
  for (int64_t i = 0; i < count; ++i) {
    const auto& face = sequence.faces[i];
    kernels::warp_crop(field_view(views[face.frame], face.field), face.crop_to_frame,
                       kernels::ValueRange::kSigned, crops[i]);
  }
  return device::to_device(crops, device);
}

std::vector<diffusion::Conditioning> encode_faces(const WindowContext& context,
                                                  std::span<const FaceSequence> sequences,
                                                  FramesInReach frames, const at::Tensor& audio) {
  const auto& networks = context.networks;
  const auto frame_count = frames.views().size();
  std::vector<diffusion::Conditioning> conditioning;
  for (size_t i = 0; i < sequences.size(); ++i) {
    check_stop(context.stop);
    const auto crops = crops_of(context, sequences[i], frames.views());
    if (i + 1 == sequences.size()) frames = FramesInReach(std::vector<kernels::ImageView>{});
    const auto report = [&](int64_t done, int64_t batches) {
      context.progress.encoded(i, done, batches);
    };
    conditioning.push_back(context.device.at_rung([&](const Rung& rung) {
      at::Tensor input, embeddings;
      const auto run_part = context.vae_runner(rung, context.seconds.encode);
      run_part([&] {
        input = device::to_device(crops, networks.device);
        embeddings = audio_of(sequences[i], audio, frame_count);
      });
      return make_renderer(context, rung)
          .encode(input, context.mask, embeddings, context.posterior_noise, report, run_part);
    }));
  }
  return conditioning;
}

void add_audio(const WindowContext& context, std::span<const kernels::ImageView> views,
               const AudioFeatures& audio, Prepared& prepared) {
  if (prepared.sequences.empty()) return;
  const auto features = features_of(context, views, audio);
  for (size_t i = 0; i < prepared.sequences.size(); ++i) {
    prepared.conditioning[i].audio_embeddings = context.device.at_rung([&](const Rung&) {
      return context.device.launch(context.seconds.audio, [&] {
        return audio_of(prepared.sequences[i], features, views.size());
      });
    });
  }
}

Prepared prepare_window(const WindowContext& context, std::span<const kernels::ImageView> views,
                        face::FollowState follow, const AudioFeatures& audio) {
  const auto& device = context.device;
  auto found = device.at_rung([&](const Rung&) {
    return device.launch(context.seconds.face, [&] { return find_faces(context, views, follow); });
  });
  Prepared prepared{.follow = std::move(found.follow)};
  for (const auto& faces : found.faces) prepared.frames.push_back(frame_result(faces));
  prepared.sequences =
      split_fields(make_sequences(found.faces, context.settings.resolution), views);
  context.progress.faces_found(prepared.sequences);
  if (!prepared.sequences.empty()) {
    const auto features = features_of(context, views, audio);
    prepared.conditioning =
        encode_faces(context, prepared.sequences, std::move(found.frames), features);
  }
  return prepared;
}

}  // namespace latentsync::lipsync
