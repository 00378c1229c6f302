#include "examples/train/run.h"

#include "core/error.h"
#include "core/lipsync/device.h"
#include "core/nn/prepare.h"
#include "examples/train/loss_log.h"
#include "examples/train/preview.h"
#include "examples/train/storage.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/Device.h>

namespace latentsync::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Whether SECONDS have passed since LAST, which is now then.
bool passed(Clock::time_point& last, double seconds) {
  if (seconds_since(last) < seconds) return false;
  last = Clock::now();
  return true;
}

/// Rises over the first steps, then falls evenly to a hundredth.
double learning_rate(double highest, double progress, int64_t step) {
  constexpr double kWarmUp = 100, kLowest = 0.01;
  const double rise = std::min(1.0, (static_cast<double>(step) + 1) / kWarmUp);
  return highest * rise * std::lerp(1.0, kLowest, std::clamp(progress, 0.0, 1.0));
}

/// A stage's seconds, or steps where those are counted, over all sessions.
struct StageClock {
  double budget = 0;
  double spent = 0;
  double progress() const { return budget > 0 ? spent / budget : 1; }
  bool over() const { return spent >= budget; }
};

enum class Stage { kAudio, kPool, kReader, kUNet };

constexpr char kAudio[] = "audio", kReader[] = "reader", kUNet[] = "unet", kCritic[] = "critic",
               kSettled[] = "settled";

fs::path checkpoint(const Options& options, const std::string& name) {
  return options.out / "state" / (name + ".safetensors");
}

class Run {
 public:
  explicit Run(const Options& options);
  bool all();

 private:
  /// What is left of the session's time but for what writing takes.
  double session_seconds() const {
    if (options_.session_minutes <= 0) return INFINITY;
    const double session = options_.session_minutes * 60;
    const double to_write = std::min(25.0, session / 3);
    return session - to_write - seconds_since(start_);
  }
  bool session_over() const { return session_seconds() <= 0; }
  bool counts_steps() const { return options_.steps > 0; }
  /// What a step since BEGIN, of so many steps' WORK, adds to its stage's clock.
  double of_a_step(Clock::time_point begin, double work = 1) const {
    return counts_steps() ? work : seconds_since(begin);
  }
  void set_budgets();
  // Each returns whether its stage is over; else the session is.
  bool train_audio();
  bool fill_pool();
  bool train_reader();
  bool train_unet();
  /// Of the left-out speaker; with the weights that are there.
  void preview(bool with_sheet);
  void write() const;

  void save(const Optimiser& optimiser, const std::string& name, const StageClock& clock) const;
  bool load(Optimiser& optimiser, const std::string& name, StageClock& clock);
  void reseed(Stage stage, int64_t steps);
  // A checkpoint is written now and then, not after every step.
  bool time_to_save() { return passed(saved_, 120); }

  Options options_;
  c10::Device device_;
  Clock::time_point start_ = Clock::now(), saved_ = Clock::now();
  Dataset dataset_;
  Random random_;
  LossLog log_;
  StageClock audio_clock_, reader_clock_, unet_clock_;
  std::shared_ptr<nn::UNet3D> unet_;
  std::shared_ptr<audio::WhisperEncoder> encoder_;
  std::shared_ptr<MouthReader> reader_;
  std::unique_ptr<ImageCoder> coder_;
  std::unique_ptr<LatentPool> pool_;
  std::unique_ptr<AudioStore> store_;
  model::TensorMap encoder_weights_, unet_weights_;
};

Run::Run(const Options& options)
    : options_(options),
      device_(lipsync::find_device(options.device)),
      dataset_(read_dataset(options.data)),
      random_(static_cast<uint64_t>(options.seed)),
      log_(options.out, fs::exists(checkpoint(options, kAudio))) {
  if (options_.threads > 0) at::set_num_threads(options_.threads);
  auto& shape = options_.preset.shape;
  if (options_.init) shape = read_shape(*options_.init);
  if (options_.name) shape.name = *options_.name;
  if (options_.encoder) {
    const auto whisper = read_encoder_shape(*options_.encoder);
    if (whisper.n_audio_state != shape.unet.cross_attention_dim) {
      throw Error(ErrorCode::kInvalidArgument,
                  "The audio encoder of \"" + options_.encoder->string() + "\" is " +
                      std::to_string(whisper.n_audio_state) + " wide, the UNet takes " +
                      std::to_string(shape.unet.cross_attention_dim) + ": give another --preset.");
    }
    shape.whisper = whisper;
  }
  if (dataset_.edge != shape.edge) {
    throw Error(ErrorCode::kInvalidArgument,
                "The data set's crops are " + std::to_string(dataset_.edge) +
                    " pixels wide, the model's " + std::to_string(shape.edge) +
                    ": give `prepare.py pack` --edge " + std::to_string(shape.edge));
  }
  coder_ = std::make_unique<ImageCoder>(options_.taesd, dataset_.edge, device_);
  pool_ = std::make_unique<LatentPool>(dataset_, *coder_, options_.preset.pool_slots, device_);
  options_.preset.unet.inference_steps = shape.inference_steps;
  options_.preset.unet.guidance = shape.guidance;
  unet_ = std::make_shared<nn::UNet3D>(shape.unet);
  encoder_ = std::make_shared<audio::WhisperEncoder>(shape.whisper);
  if (options_.init) {
    read_weights(*options_.init, *unet_, *encoder_);
  } else {
    initialise_unet(*unet_, options_.seed, first_alpha(shape.inference_steps));
    initialise_encoder(*encoder_, options_.seed + 1);
  }
  if (options_.encoder) read_encoder(*options_.encoder, *encoder_);
  unet_->to(device_, options_.unet_type);
  encoder_->to(device_, options_.audio_type);
  set_budgets();
  reseed(Stage::kAudio, 0);
}

void Run::set_budgets() {
  const auto& shares = options_.shares;
  if (counts_steps()) {
    const auto& counts = options_.preset.counts;
    const auto steps = static_cast<double>(options_.steps);
    audio_clock_.budget = shares.audio > 0 ? steps * counts.audio : 0;
    reader_clock_.budget = steps * counts.reader;
    unet_clock_.budget = steps;
  } else {
    const double seconds = options_.minutes * 60;
    audio_clock_.budget = seconds * shares.audio;
    reader_clock_.budget = seconds * shares.reader;
    unet_clock_.budget = seconds * shares.unet;
  }
}

// A session that goes on after STEPS of a stage draws what the one before did not.
void Run::reseed(Stage stage, int64_t steps) {
  random_.seed(
      static_cast<uint64_t>(options_.seed + 1'000'003 * steps + 7'919 * static_cast<int>(stage)));
  at::Generator on_device = at::globalContext().defaultGenerator(device_);
  on_device.set_current_seed(random_());
  at::Generator here = at::globalContext().defaultGenerator(c10::kCPU);
  here.set_current_seed(random_());
}

void Run::save(const Optimiser& optimiser, const std::string& name, const StageClock& clock) const {
  write_safetensors(checkpoint(options_, name), optimiser.save(),
                    {{"spent", std::to_string(clock.spent)}});
}

bool Run::load(Optimiser& optimiser, const std::string& name, StageClock& clock) {
  const auto path = checkpoint(options_, name);
  if (!fs::exists(path)) return false;
  const auto file = model::open_tensor_file(path);
  optimiser.load(file.tensors, path.string());
  const auto spent = file.metadata.find("spent");
  if (spent == file.metadata.end()) {
    throw Error(ErrorCode::kDamagedFile, "The checkpoint \"" + path.string() +
                                             "\" does not say what time it took; remove it.");
  }
  clock.spent = std::atof(spent->second.c_str());
  return true;
}

bool Run::train_audio() {
  AudioTraining training(encoder_, dataset_, options_.preset.audio, options_.seed + 2);
  auto& clock = audio_clock_;
  const bool again = load(training.optimiser(), kAudio, clock);
  reseed(Stage::kAudio, training.optimiser().steps());
  const bool was_over = again && clock.over();
  const auto report = [&](const char* when) {
    const auto r = [&](Part part) { return training.opening_correlation(dataset_.of(part)); };
    std::printf("audio %s: opening r %.3f left-out speaker, %.3f left-out sentences, %.3f unseen\n",
                when, r(Part::kValidation), r(Part::kDriver), r(Part::kUnseen));
    std::fflush(stdout);
  };
  while (!clock.over() && !session_over()) {
    const auto begin = Clock::now();
    const double rate =
        learning_rate(options_.preset.audio_rate, clock.progress(), training.optimiser().steps());
    const double loss = training.step(rate, random_);
    clock.spent += of_a_step(begin);
    log_.add("audio", clock.spent, loss);
    if (time_to_save()) {
      save(training.optimiser(), kAudio, clock);
      log_.write();
      report("so far");
    }
  }
  if (!was_over) {
    save(training.optimiser(), kAudio, clock);
    log_.write();
  }
  if (!clock.over()) return false;
  if (clock.budget > 0) report("done");
  // From here on the averaged weights are the encoder's.
  for (auto& [name, tensor] : training.optimiser().average()) {
    constexpr char kPrefix[] = "encoder.";
    if (name.starts_with(kPrefix)) {
      encoder_weights_[name.substr(sizeof kPrefix - 1)] = tensor.clone();
    }
  }
  const at::NoGradGuard no_grad;
  for (auto& item : encoder_->named_parameters()) {
    item.value().set_data(encoder_weights_.at(item.key()).to(item.value().options()).clone());
    item.value().requires_grad_(false);
    item.value().mutable_grad() = at::Tensor();
  }
  return true;
}

bool Run::fill_pool() {
  constexpr double kMostOfSession = 0.25;
  constexpr int64_t kFewest = 8;
  // What is encoded is not kept from session to session: each one sees other pieces.
  const auto unet = checkpoint(options_, kUNet);
  reseed(Stage::kPool,
         fs::exists(unet) ? steps_of(model::open_tensor_file(unet).tensors, unet.string()) : 0);
  const auto begin = Clock::now();
  const double most = std::min(options_.minutes * 60 * options_.shares.pool,
                               std::max(session_seconds(), 0.0) * kMostOfSession);
  const auto steps = static_cast<double>(options_.steps);
  const auto pieces = std::max(StepCounts::kFewestPieces,
                               static_cast<int64_t>(options_.preset.counts.pieces * steps));
  const auto enough = [&] {
    return counts_steps() ? pool_->filled() >= pieces : seconds_since(begin) >= most;
  };
  while (!pool_->full() && (pool_->filled() < kFewest || !enough())) {
    if (session_over()) return false;
    pool_->refresh(Choice::kSpread, random_);
  }
  std::printf("%lld pieces of clips encoded in %.0f s\n", static_cast<long long>(pool_->filled()),
              seconds_since(begin));
  store_ =
      std::make_unique<AudioStore>(dataset_, *encoder_, options_.preset.sound_versions, random_);
  std::printf("sounds encoded, %.0f s\n", seconds_since(start_));
  std::fflush(stdout);
  return true;
}

bool Run::train_reader() {
  reader_ = std::make_shared<MouthReader>(dataset_.edge / 8);
  nn::initialise_parameters(*reader_, options_.seed + 3);
  reader_->to(device_, at::kFloat);
  ReaderTraining training(reader_, *pool_, device_);
  auto& clock = reader_clock_;
  load(training.optimiser(), kReader, clock);
  reseed(Stage::kReader, training.optimiser().steps());
  while (!clock.over() && !session_over()) {
    const auto begin = Clock::now();
    const double loss =
        training.step(learning_rate(2e-3, clock.progress(), training.optimiser().steps()), random_);
    clock.spent += of_a_step(begin);
    log_.add("reader", clock.spent, loss);
  }
  save(training.optimiser(), kReader, clock);
  if (!clock.over()) return false;
  const at::NoGradGuard no_grad;
  const auto average = training.optimiser().average();
  for (auto& item : reader_->named_parameters()) {
    item.value().set_data(average.at(item.key()).clone());
    item.value().requires_grad_(false);
    item.value().mutable_grad() = at::Tensor();
  }
  return true;
}

bool Run::train_unet() {
  UNetTraining training(unet_, *pool_, *store_, reader_, *coder_, options_.preset.unet,
                        options_.seed + 4);
  auto& clock = unet_clock_;
  StageClock critic_clock;
  load(training.critic_optimiser(), kCritic, critic_clock);
  load(training.optimiser(), kUNet, clock);
  reseed(Stage::kUNet, training.optimiser().steps());
  // Runs are encoded a little before windows are drawn from them.
  constexpr double kBefore = 0.15;
  constexpr int64_t kFewestRuns = 24;
  constexpr int kPreviews = 6;
  int looked = static_cast<int>(clock.progress() * kPreviews);
  const auto& preset = options_.preset;
  const double work_of_windows = static_cast<double>(preset.unet.windows * LatentPool::kRun) /
                                 static_cast<double>(preset.unet.frames);
  // Seconds; or frames encoded and steps made, where those are counted.
  double refreshing = 0, stepping = 0;
  const double refresh_share = counts_steps()
                                   ? preset.counts.fresh_frames / (1 + preset.counts.fresh_frames)
                                   : preset.refresh_share;
  while (!clock.over() && !session_over()) {
    const auto begin = Clock::now();
    const double progress = clock.progress();
    auto how = options_.shares.step_at(progress);
    const bool windows = how.windows;
    const bool runs = progress >= options_.shares.windows_from - kBefore;
    if (refreshing < refresh_share * (stepping + refreshing) ||
        (windows && pool_->count(Choice::kRuns) < std::min(kFewestRuns, pool_->filled()))) {
      const auto& fresh = pool_->refresh(runs ? Choice::kRuns : Choice::kSpread, random_);
      store_->refresh(random_);
      if (counts_steps()) {
        refreshing += static_cast<double>(fresh.frames.size());
      } else {
        refreshing += seconds_since(begin);
        clock.spent += seconds_since(begin);
      }
      continue;
    }
    if (how.settled && !training.settles()) {
      // A session that goes on learns from the same weights.
      const auto path = checkpoint(options_, kSettled);
      if (!fs::exists(path)) write_safetensors(path, training.optimiser().average());
      training.settle(model::open_tensor_file(path).tensors);
    }
    how.learning_rate =
        learning_rate(options_.preset.unet_rate, progress, training.optimiser().steps());
    const auto loss = training.step(how, random_);
    const double spent = of_a_step(begin, windows ? work_of_windows : 1);
    stepping += spent;
    clock.spent += spent;
    const std::string prefix = windows ? "window " : "frame ";
    log_.add(prefix + "noise", clock.spent, loss.noise);
    log_.add(prefix + "sync", clock.spent, loss.sync);
    log_.add(prefix + "detail", clock.spent, loss.detail);
    if (loss.critic > 0) log_.add("critic", clock.spent, loss.critic);
    if (windows) log_.add(prefix + "temporal", clock.spent, loss.temporal);
    if (time_to_save()) {
      save(training.critic_optimiser(), kCritic, critic_clock);
      save(training.optimiser(), kUNet, clock);
      log_.write();
    }
    if (clock.progress() * kPreviews >= looked + 1 && !clock.over()) {
      ++looked;
      training.optimiser().with_average([&] { preview(false); });
    }
  }
  std::printf("%lld steps of the UNet\n", static_cast<long long>(training.optimiser().steps()));
  save(training.critic_optimiser(), kCritic, critic_clock);
  save(training.optimiser(), kUNet, clock);
  unet_weights_ = training.optimiser().average();
  training.optimiser().with_average([&] { preview(true); });
  return clock.over();
}

void Run::preview(bool with_sheet) {
  const auto faces = dataset_.of(Part::kValidation);
  const auto drivers = dataset_.of(Part::kDriver);
  if (faces.empty() || drivers.empty()) return;
  std::vector<at::Tensor> sheets;
  const auto& shape = options_.preset.shape;
  const auto show = [&](const char* name, const Clip& face, const Clip& driver) {
    const auto made = make_preview(dataset_, face, driver, *unet_, *encoder_, *reader_, *coder_,
                                   {.steps = shape.inference_steps, .guidance = shape.guidance});
    log_.mark("left-out " + face.name + " " + name + " PSNR", unet_clock_.spent, made.psnr);
    std::printf(
        "%s, %s: r to driver %.2f, to face %.2f, %.1f times its movement, %.1f dB (as the "
        "reader sees it)\n",
        face.name.c_str(), name, made.driver_r, made.face_r, made.movement, made.psnr);
    sheets.push_back(made.sheet);
  };
  for (size_t i = 0; i < std::min<size_t>(faces.size(), 2); ++i) {
    const auto& driver = *drivers[i % drivers.size()];
    show("own sound", *faces[i], *faces[i]);
    show("rotated sound", *faces[i], rotated(driver, driver.frames() / 2));
  }
  std::fflush(stdout);
  if (with_sheet) write_png(options_.out / "preview.png", stacked(sheets));
}

void Run::write() const {
  log_.write();
  write_model(options_.out / "model", options_.preset.shape, unet_weights_, *unet_,
              encoder_weights_, *encoder_, options_.taesd);
}

bool Run::all() {
  const auto finished = options_.out / "state" / "finished";
  if (fs::exists(finished)) {
    std::printf("This run is finished; remove \"%s\" to give it more --minutes.\n",
                finished.c_str());
    return true;
  }
  if (!train_audio()) return false;
  if (!fill_pool() || !train_reader()) {
    log_.write();
    return false;
  }
  const bool done = train_unet();
  write();
  if (done) write_text(finished, "");
  return done;
}

}  // namespace

bool run(const Options& options) { return Run(options).all(); }

}  // namespace latentsync::train
