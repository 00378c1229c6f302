#include "core/error.h"
#include "core/face/face_networks.h"
#include "core/lipsync/mask_picture.h"
#include "examples/train/audio_training.h"
#include "examples/train/dataset.h"
#include "examples/train/measure_options.h"
#include "examples/train/measures.h"
#include "examples/train/preview.h"
#include "examples/train/render.h"
#include "examples/train/storage.h"
#include "kernels/reference/face_mask.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <nlohmann/json.hpp>

// latentsync-measure: renders clips through the engine and says how well the mouths follow the
// sound and how good the pictures are (docs/training.md has the definitions).
namespace latentsync::train {
namespace {

using nlohmann::json;

constexpr int64_t kLag = 3;
// A clip as it is measured: the whole frames with what is found in them.
struct Seen {
  const Clip* clip = nullptr;
  std::vector<face::FaceLandmarks> meshes;
  at::Tensor opening;
};

std::string made_of(const Clip& face) { return "what was made of " + face.name; }

class Measurement {
 public:
  explicit Measurement(MeasureOptions options);
  void all();

 private:
  const Seen& seen(const Clip& clip);
  /// As many frames of the face as there is sound for.
  at::Tensor render(const Clip& face, const at::Tensor& sound);
  void cross(const std::string& test, const std::vector<const Clip*>& faces,
             const std::vector<const Clip*>& drivers, bool rotate);
  void silence(const std::vector<const Clip*>& faces, const std::vector<const Clip*>& drivers);
  void self(const std::vector<const Clip*>& faces);
  void autoencoder(const std::vector<const Clip*>& faces);
  void add(const std::string& test, const json& figures);
  void keep_frames(const std::string& test, const Clip& face, const Clip& driver,
                   const at::Tensor& edited);
  void keep_sheet(const at::Tensor& driver, const at::Tensor& face, const at::Tensor& made);
  void write();

  MeasureOptions options_;
  Dataset dataset_;
  face::FaceTracker tracker_;
  ClipRenderer renderer_;
  int64_t edge_;
  at::Tensor mask_;
  RenderSettings resolved_;
  std::map<const Clip*, Seen> seen_;
  json tests_ = json::object();
  int64_t kept_ = 0;
  std::vector<at::Tensor> sheets_;
};

Measurement::Measurement(MeasureOptions options)
    : options_(std::move(options)),
      dataset_(read_dataset(options_.data)),
      tracker_(face::load_face_tracker(options_.model.face_folder)),
      renderer_(options_.model),
      edge_(renderer_.info().resolution),
      mask_(kernels::face_mask(lipsync::mask_picture(), edge_)),
      resolved_(renderer_.resolved(options_.render)) {
  for (const auto& clip : dataset_.clips) {
    if (clip.part != Part::kTrain && !clip.whole.defined()) {
      throw Error(
          ErrorCode::kDamagedFile,
          clip.name + " has no whole frames to measure with. Run `prepare.py unpack` anew.");
    }
  }
}

const Seen& Measurement::seen(const Clip& clip) {
  auto& entry = seen_[&clip];
  if (entry.clip == nullptr) {
    entry.clip = &clip;
    entry.meshes = meshes_of(clip.whole, clip.name, tracker_);
    entry.opening = openings(entry.meshes);
  }
  return entry;
}

at::Tensor Measurement::render(const Clip& face, const at::Tensor& sound) {
  const auto count = std::min(face.frames(), sound.size(0) / Clip::kSamplesPerFrame);
  return renderer_.render(face.whole.narrow(0, 0, count), sound, options_.render);
}

void Measurement::add(const std::string& test, const json& figures) {
  tests_[test]["clips"].push_back(figures);
  std::printf("%-14s %s\n", test.c_str(), figures.dump().c_str());
  std::fflush(stdout);
  write();
}

void Measurement::keep_frames(const std::string& test, const Clip& face, const Clip& driver,
                              const at::Tensor& edited) {
  if (options_.frames.empty()) return;
  char number[16];
  std::snprintf(number, sizeof number, "%03lld", static_cast<long long>(kept_++));
  write_safetensors(options_.frames / (number + ("-" + test + ".safetensors")),
                    {{"frames", edited}},
                    {{"test", test}, {"face", face.name}, {"driver", driver.name}});
}

// Every face with every driver, in an order that takes each of both as often as it can; no pair
// comes twice.
void Measurement::cross(const std::string& test, const std::vector<const Clip*>& faces,
                        const std::vector<const Clip*>& drivers, bool rotate) {
  const auto total = std::min(options_.pairs, faces.size() * drivers.size());
  const auto round = std::lcm(faces.size(), drivers.size());  // then the pairs would come again
  for (size_t i = 0; i < total; ++i) {
    const auto& face = *faces[i % faces.size()];
    const auto& driver = *drivers[(i + i / round) % drivers.size()];
    const auto turned = rotate ? rotated(driver, driver.frames() / 2) : driver;
    auto wanted = seen(driver).opening;
    if (rotate) wanted = wanted.roll(-driver.frames() / 2);
    const auto edited = render(face, turned.sound);
    const auto opening = openings(meshes_of(edited, made_of(face), tracker_));
    json figures = {{"face", face.name},
                    {"driver", driver.name},
                    {"r_driver", best_correlation(opening, wanted, kLag)},
                    {"r_original", best_correlation(opening, seen(face).opening, kLag)},
                    {"r_between", best_correlation(wanted, seen(face).opening, kLag)}};
    double wrong = 0;
    int64_t count = 0;
    for (const auto* other : drivers) {
      if (other == &driver) continue;
      auto theirs = seen(*other).opening;
      if (rotate) theirs = theirs.roll(-other->frames() / 2);
      wrong += best_correlation(opening, theirs, kLag);
      ++count;
    }
    if (count > 0) figures["r_wrong_driver"] = wrong / static_cast<double>(count);
    add(test, figures);
    keep_frames(test, face, driver, edited);
    if (i < 2) keep_sheet(driver.whole, face.whole, edited);
  }
}

void Measurement::silence(const std::vector<const Clip*>& faces,
                          const std::vector<const Clip*>& drivers) {
  const auto spread = [&](const char* test, const Clip& face, const Clip& driver,
                          const at::Tensor& sound) {
    const auto edited = render(face, sound);
    keep_frames(test, face, driver, edited);
    return openings(meshes_of(edited, made_of(face), tracker_)).std().item<double>();
  };
  for (const auto* face : faces) {
    const double quiet = spread("silence", *face, *face, at::zeros_like(face->sound));
    const double speech = spread("speech", *face, *drivers.front(), drivers.front()->sound);
    add("silence", {{"face", face->name},
                    {"deviation_silence", quiet},
                    {"deviation_speech", speech},
                    {"quotient", quiet / speech}});
  }
}

void Measurement::self(const std::vector<const Clip*>& faces) {
  for (const auto* face : faces) {
    const auto& original = seen(*face);
    const auto edited = render(*face, face->sound);
    keep_frames("self", *face, *face, edited);
    const auto meshes = meshes_of(edited, made_of(*face), tracker_);
    const auto before = aligned_crops(face->whole, original.meshes, edge_);
    const auto after = aligned_crops(edited, original.meshes, edge_);
    const auto boxes = lip_boxes(original.meshes, edge_);
    add("self", {{"face", face->name},
                 {"r_driver", best_correlation(openings(meshes), original.opening, kLag)},
                 {"psnr", psnr_inside(after, before, mask_)},
                 {"ssim", ssim_inside(after, before, mask_)},
                 {"sharpness_quotient", sharpness(after, boxes) / sharpness(before, boxes)},
                 {"lip_jitter", lip_jitter(meshes)},
                 {"lip_jitter_original", lip_jitter(original.meshes)},
                 {"border_flicker", border_flicker(after, before, mask_)}});
    if (face == faces.front()) keep_sheet(face->whole, face->whole, edited);
  }
}

// What TAESD alone leaves of pictures: no network that generates latents can do better, unless its
// latents are better than the encoder's. At the edge of the data set.
void Measurement::autoencoder(const std::vector<const Clip*>& faces) {
  constexpr int64_t kFrames = 8;
  ImageCoder coder(options_.taesd, dataset_.edge, at::kCPU);
  for (const auto* face : faces) {
    const auto images = augmented_crops(dataset_, *face, {}, at::kCPU)
                            .slice(0, 0, {}, std::max<int64_t>(1, face->frames() / kFrames));
    const auto latents = coder.encode(images);
    const auto ends = at::stack({images[0], images[images.size(0) - 1]});
    const auto correction = coder.colour_correction(ends);
    const auto psnr = [&](const at::Tensor& of) {
      const auto bytes = kernels::pixel_bytes(coder.decode(of));
      return psnr_inside(bytes.to(at::kFloat) / 255, images / 2 + 0.5, coder.mask());
    };
    add("autoencoder", {{"face", face->name},
                        {"psnr", psnr(latents)},
                        {"psnr_corrected", psnr(latents + correction)}});
  }
}

// Eight frames of three clips below each other, at one size.
void Measurement::keep_sheet(const at::Tensor& driver, const at::Tensor& face,
                             const at::Tensor& made) {
  constexpr int64_t kColumns = 8, kSide = 192;
  const auto count = std::min({driver.size(0), face.size(0), made.size(0)});
  std::vector<at::Tensor> rows;
  for (const auto* clip : {&driver, &face, &made}) {
    std::vector<at::Tensor> row;
    for (int64_t i = 0; i < kColumns; ++i) {
      const auto frame = (*clip)[i * (count - 1) / (kColumns - 1)];
      const auto nearest = [&](int64_t size) {
        return at::floor(at::arange(kSide, at::kFloat) * static_cast<double>(size) / kSide)
            .to(at::kLong);
      };
      row.push_back(
          frame.index_select(0, nearest(frame.size(0))).index_select(1, nearest(frame.size(1))));
    }
    rows.push_back(at::cat(row, 1));
  }
  sheets_.push_back(at::cat(rows, 0));
}

void Measurement::write() {
  std::ostringstream table;
  for (auto& [test, content] : tests_.items()) {
    std::map<std::string, std::vector<double>> columns;
    for (const auto& clip : content["clips"]) {
      for (const auto& [name, value] : clip.items()) {
        if (value.is_number()) columns[name].push_back(value);
      }
    }
    json& means = content["mean"] = json::object();
    table << "| " << test << " (" << content["clips"].size() << ") | mean | least | most |\n"
          << "| --- | --- | --- | --- |\n";
    for (const auto& [name, values] : columns) {
      double sum = 0;
      for (const double value : values) sum += value;
      const double mean = sum / static_cast<double>(values.size());
      means[name] = mean;
      char line[160];
      std::snprintf(line, sizeof line, "| %s | %.3f | %.3f | %.3f |\n", name.c_str(), mean,
                    *std::min_element(values.begin(), values.end()),
                    *std::max_element(values.begin(), values.end()));
      table << line;
    }
    table << '\n';
  }
  const double rate =
      renderer_.seconds() > 0 ? static_cast<double>(renderer_.frames()) / renderer_.seconds() : 0;
  table << "Rendered " << renderer_.frames() << " frames, " << rate << " a second.\n";
  const json whole = {{"model", options_.model.folder},
                      {"device", renderer_.info().device},
                      {"precision", renderer_.info().precision},
                      {"resolution", edge_},
                      {"attention", options_.attention},
                      {"feature_cache", resolved_.feature_cache},
                      {"inference_steps", resolved_.inference_steps},
                      {"frames_a_second", rate},
                      {"tests", tests_}};
  write_text(options_.out / "measures.json", whole.dump(1) + "\n");
  write_text(options_.out / "measures.md", table.str());
  if (!sheets_.empty()) write_png(options_.out / "sheet.png", stacked(sheets_));
}

void Measurement::all() {
  const auto faces = dataset_.of(Part::kValidation), drivers = dataset_.of(Part::kDriver);
  const auto unseen = dataset_.of(Part::kUnseen);
  // One clip of each: those of one speaker are much alike.
  std::vector<const Clip*> others;
  std::set<std::string> speakers;
  for (const auto* clip : unseen) {
    if (speakers.insert(clip->speaker).second) others.push_back(clip);
  }
  using Clips = std::vector<const Clip*>;
  // What a test needs that the set has not is told: nothing is left out in silence.
  const auto possible = [&](const char* test, const Clips& those, const Clips& sounds) {
    if (!options_.tests.contains(test)) return false;
    if (!those.empty() && !sounds.empty()) return true;
    std::fprintf(stderr,
                 "latentsync-measure: %s is left out: the set has no clips for it (`prepare.py "
                 "pack --help`: --validation, --drivers)\n",
                 test);
    return false;
  };
  write();
  if (possible("rotated", faces, drivers)) cross("rotated", faces, drivers, true);
  if (possible("self", faces, faces)) self(faces);
  if (possible("autoencoder", faces, faces)) {
    auto all = faces;
    all.insert(all.end(), others.begin(), others.end());
    autoencoder(all);
  }
  if (possible("plain", faces, drivers)) cross("plain", faces, drivers, false);
  if (possible("unseen-faces", others, drivers)) cross("unseen-faces", others, drivers, true);
  if (possible("unseen-voices", faces, others)) cross("unseen-voices", faces, others, true);
  if (possible("silence", faces, drivers)) silence(faces, drivers);
}

}  // namespace
}  // namespace latentsync::train

int main(int count, char** arguments) {
  using namespace latentsync;
  try {
    if (count > 1 && std::string(arguments[1]) == "--help") {
      std::fputs(train::measure_usage(), stdout);
      return 0;
    }
    const c10::InferenceMode inference;
    train::Measurement(train::parse_measure_options(count, arguments)).all();
    return 0;
  } catch (...) {
    const auto error = current_error();
    std::fprintf(stderr, "latentsync-measure: %s\n%s\n", error.what(), error.detail().c_str());
    return 1;
  }
}
