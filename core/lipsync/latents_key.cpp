#include "core/lipsync/latents_key.h"

namespace latentsync::lipsync {
namespace {

// Raised with every change of what goes in, or of what an entry holds.
constexpr int64_t kLayout = 1;

template <typename Value>
void add(cache::KeyBuilder& key, Value value) {
  key.add_number(static_cast<int64_t>(value));
}

void add_settings(cache::KeyBuilder& key, const RenderSettings& settings, const Rung& rung) {
  add(key, settings.seed);
  key.add_real(settings.guidance_scale);
  add(key, settings.inference_steps);
  add(key, settings.attention);
  add(key, settings.feature_cache);
  add(key, settings.resolution);
  add(key, rung.feed_forward_chunks);
  add(key, rung.score_bytes);
  add(key, rung.two_passes);
  add(key, rung.window_frames);
  // The rung's host_networks and streamed_unet move weights only; how the autoencoder takes frames
  // shows in the conditioning, and is applied anew where latents are decoded.
}

void add_tensor(cache::KeyBuilder& key, const at::Tensor& tensor) {
  add(key, tensor.scalar_type());
  add(key, tensor.dim());
  for (const int64_t size : tensor.sizes()) add(key, size);
  const auto values = tensor.contiguous();
  key.add_bytes({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
}

}  // namespace

cache::Key latents_key(const LatentsInput& input) {
  cache::KeyBuilder key;
  key.add_text("latents");
  add(key, kLayout);
  key.add_text(input.model);
  key.add_text(input.identity);
  key.add_text(input.info.device);
  key.add_text(input.info.precision);
  key.add_text(input.info.vae);
  add_settings(key, input.settings, input.rung);
  add(key, input.frames);
  add(key, input.sequences.size());
  for (size_t i = 0; i < input.sequences.size(); ++i) {
    add(key, input.sequences[i].faces.size());
    for (const auto& face : input.sequences[i].faces) add(key, face.frame);
    const auto& conditioning = input.conditioning[i];
    for (const auto* tensor : {&conditioning.mask, &conditioning.masked_latents,
                               &conditioning.reference_latents, &conditioning.audio_embeddings}) {
      add_tensor(key, *tensor);
    }
  }
  return key.key();
}

}  // namespace latentsync::lipsync
