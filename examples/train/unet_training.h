#pragma once

#include "core/nn/unet3d.h"
#include "examples/train/audio_store.h"
#include "examples/train/critic.h"
#include "examples/train/latent_pool.h"
#include "examples/train/mouth_reader.h"
#include "examples/train/optimiser.h"
#include "examples/train/parted_pass.h"

#include <cstdint>
#include <memory>

namespace latentsync::train {

struct UNetTrainingOptions {
  int64_t frames = 12;          ///< single frames in a step
  int64_t windows = 2;          ///< in a step with motion modules
  double silent = 0.1;          ///< of entries, whose audio is zeros, for guidance
  double quiet = 0.06;          ///< of entries, with the sound of silence and a closed mouth
  double from_noise = 0.85;     ///< of entries, which begin as sampling does (UNetTraining)
  int64_t inference_steps = 2;  ///< of the sampling that those begin
  double guidance = 1.5;        ///< of it
  double lips_guidance = 0.75;  ///< what the terms judge at the lips, in steps with guidance
  double sync = 0.1;            ///< weight of what the mouth reader says
  double temporal = 0.1;        ///< weight of the change from frame to frame, in windows
  double detail = 0.15;         ///< weight of the guess's absolute error
  double critic = 0.3;          ///< what pleases the critic, over all the rest: gradients' norms
  double average = 0.9998;
};

/// What one entry of a batch is made of.
struct Entry {
  int64_t slot = 0;                         ///< of the pool
  std::vector<int64_t> frames, references;  ///< among the slot's own
  std::vector<int64_t> surroundings;        ///< either of them: what is outside the mask
  const Clip* sound = nullptr;
  std::vector<int64_t> sound_frames;  ///< of it
};

/// A frame, or a window of LatentPool::kRun, with its own sound and a reference from elsewhere in
/// the clip. QUIET of the entries have silence instead, and the frame of their slot whose mouth is
/// open least, which in windows stands still: no clip is silent for long. Cheeks and jaw around it
/// are those of the reference, who may speak, as in footage that is edited: they must not tell
/// that the mouth is closed.
Entry draw_entry(const LatentPool& pool, const AudioStore& audio, bool windows, double quiet,
                 Random& random);

/// The terms of one step's loss, as they are weighted.
struct UNetLoss {
  double noise = 0;
  double sync = 0;
  double temporal = 0;
  double detail = 0;
  double critic = 0;  ///< the critic's own
};

/// A UNet that starts as a network which, from nothing but noise at the height of ALPHA (of the
/// cumulative products, where sampling begins), leads to the reference image in one step: a face
/// that is new to it is kept, and what there is to learn is the mouth. Each latent channel goes
/// through a pair of channels, + and -, of the first convolution, the last skip connection and the
/// last convolution (silu(x) - silu(-x) = x); what every block adds to its input begins at zero.
/// Without this the many zeros that the reference starts from a trained network with do not learn
/// from nothing.
void initialise_unet(nn::UNet3D& unet, int64_t seed, double alpha);

/// The cumulative product at the first timestep of so many.
double first_alpha(int64_t inference_steps);

/// What the UNet meets in training, and what it is to predict there.
struct NoisyLatents {
  at::Tensor sample, wanted_noise;
};

/// The latents X0 with NOISE to the height of ALPHA (of the cumulative products), or, where BEGINS,
/// nothing but noise; predicting wanted_noise leads to X0 in either case. x0, noise: float32
/// [N, 4, h, w]; alpha: in (0, 1), begins: bool, both [N, 1, 1, 1].
NoisyLatents with_noise(const at::Tensor& x0, const at::Tensor& noise, const at::Tensor& alpha,
                        const at::Tensor& begins);

/// What to predict in place of HEARD for guidance to lead, where NEAR_LIPS is 1, to what it leads
/// to now, and where it is 0 to HEARD itself. SILENT: what is predicted without sound; it and
/// HEARD: [N, 4, h, w], near_lips: [N, 1, h, w].
at::Tensor kept_to_lips(const at::Tensor& silent, const at::Tensor& heard,
                        const at::Tensor& near_lips, double guidance);

/// Trains the UNet to predict the noise. Errors are weighted by clamp(SNR, 0.3, 5) / SNR (an error
/// of the noise is an error of the picture that grows as the SNR falls), more at the lips and
/// less outside the mask.
///
/// A part of the entries (from_noise) is what the first step of sampling meets: nothing but noise,
/// at the first timestep of inference_steps. What is to be predicted there leads from that noise to
/// the picture in this one step. So few steps are enough, and what is learnt most is what decides
/// where the mouth goes: from partly noisy latents it can be seen. What is made of them the critic
/// judges, too.
///
/// What is judged is the prediction itself or, where that is asked for (Step::guided), what
/// guidance makes of it. The critic sees that as it is; so do the terms, but for the lips, where
/// they see less of it (lips_guidance): by them alone, sampling would then move lips further than
/// it should, by guidance / lips_guidance, and all else, which guidance would overdo, as it should.
/// Guidance 1 is none: what it makes is the prediction.
///
/// In the end the UNet may learn from itself alone (settle(), Step::settled): to predict what
/// leads, with guidance, to what it led to with guidance at the lips and without elsewhere. There
/// guidance has nothing to add, and what it overdoes is seen: it draws spots and lines on chins.
class UNetTraining {
 public:
  /// UNET: initialised, in its working type on its device. All references must outlive this
  /// object. READER may be null: no sync term.
  UNetTraining(std::shared_ptr<nn::UNet3D> unet, const LatentPool& pool, const AudioStore& audio,
               std::shared_ptr<MouthReader> reader, ImageCoder& coder,
               const UNetTrainingOptions& options, int64_t seed);

  /// What a step is like.
  struct Step {
    double learning_rate = 0;
    bool windows = false;  ///< of LatentPool::kRun frames, with motion modules; else single frames
    bool criticised = false;  ///< the critic is trained, and pleased once it knows something
    bool guided = false;      ///< what guidance makes is judged, not the prediction
    bool quiet = false;       ///< some entries have silence (UNetTrainingOptions::quiet)
    bool settled = false;     ///< nothing but what settle() has to do with counts
  };
  /// Of the terms only noise is there in steps that are settled.
  UNetLoss step(const Step& how, Random& random);

  /// What the UNet learns from in steps that are settled: one of its shape with these weights, by
  /// name. To be called before the first of them.
  void settle(const model::TensorMap& weights);
  bool settles() const { return settled_on_ != nullptr; }

  /// The frames and sounds of a step, float32: N = entries, or LatentPool::kRun times as many.
  struct Batch {
    at::Tensor wanted, masked, reference;  ///< [N, 4, h, w]
    at::Tensor near_lips, weights;  ///< [N, 1, h, w]; near_lips: 1 at their centre, 0 far away
    at::Tensor tokens;              ///< [N, S, width]
  };
  /// By draw_entry(), in the order of the entries.
  Batch draw(int64_t entries, const Step& how, Random& random) const;

  Optimiser& optimiser() { return optimiser_; }
  Optimiser& critic_optimiser() { return critic_.optimiser(); }

 private:
  /// What one step is about: N = entries * run frames.
  struct Task {
    Batch batch;
    int64_t entries = 0, run = 1;
    at::Tensor timesteps;      // [entries], on the CPU
    at::Tensor alpha, begins;  // [N, 1, 1, 1]
    NoisyLatents noisy;        // [N, 4, h, w]
    at::Tensor sample;         // [entries, 13, run, h, w]
  };
  Task make_task(const Step& how, Random& random) const;
  /// sample: [entries, 13, run, h, w]; the noise in it: [N, 4, h, w].
  static PartedPass predict(nn::UNet3D& unet, const at::Tensor& sample, const at::Tensor& timesteps,
                            const at::Tensor& tokens);
  /// What UNET predicts without sound; no gradients.
  static at::Tensor silent(nn::UNet3D& unet, const Task& task);
  /// Of a prediction [N, 4, h, w]: what the terms judge and what the critic does.
  struct Judged {
    at::Tensor by_terms, by_critic;
  };
  Judged guided(const Task& task, const at::Tensor& predicted) const;
  at::Tensor loss_of(const Task& task, const at::Tensor& predicted, UNetLoss& values) const;
  /// By what settle() was given.
  at::Tensor settled_loss(const Task& task, const at::Tensor& predicted, UNetLoss& values) const;
  /// Of the predicted noise, as it is weighted in all steps.
  static at::Tensor noise_loss(const Task& task, const at::Tensor& predicted,
                               const at::Tensor& wanted);
  /// Trains the critic; undefined while it knows too little.
  at::Tensor displeasure(const Task& task, const at::Tensor& predicted, UNetLoss& values);
  /// LIPS: [N, 4], as LatentPool has them.
  at::Tensor near_lips(const at::Tensor& lips) const;

  std::shared_ptr<nn::UNet3D> unet_, settled_on_;
  const LatentPool& pool_;
  const AudioStore& audio_;
  std::shared_ptr<MouthReader> reader_;
  ImageCoder& coder_;
  UNetTrainingOptions options_;
  at::Tensor alphas_;       // [1000] float32, on the CPU
  int64_t first_timestep_;  // of sampling
  CriticTraining critic_;
  Optimiser optimiser_;
};

}  // namespace latentsync::train
