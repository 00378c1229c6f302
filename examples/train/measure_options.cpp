#include "examples/train/measure_options.h"

#include "core/error.h"

#include <charconv>
#include <cstdint>
#include <map>
#include <sstream>

namespace latentsync::train {
namespace {

using Values = std::map<std::string, std::string>;

constexpr char kTests[] = "rotated,unseen-faces,unseen-voices,plain,silence,self,autoencoder";

constexpr char kUsage[] =
    R"(latentsync-measure --model FOLDER --data FOLDER [options]

  --data FOLDER     what `prepare.py unpack` left
  --faces FOLDER    the face networks (models/face)
  --taesd FOLDER    of TAESD's two files (models/taesd)
  --tests LIST      of rotated, unseen-faces, unseen-voices, plain, silence, self, autoencoder (all)
  --pairs N         at most so many pairs a test (8)
  --out FOLDER      measures.json, measures.md and sheet.png (measure-out)
  --frames FOLDER   keep what was rendered, for mouths.py
  --device, --precision, --attention, --steps, --guidance, --feature-cache, --seed
                    as the element's properties
)";

Values values_of(int count, char** arguments) {
  Values values = {{"--faces", "models/face"},
                   {"--taesd", "models/taesd"},
                   {"--pairs", "8"},
                   {"--out", "measure-out"},
                   {"--frames", ""},
                   {"--device", "auto"},
                   {"--precision", "auto"},
                   {"--attention", "flex"},
                   {"--steps", "0"},
                   {"--feature-cache", "-1"},
                   {"--guidance", "1.5"},
                   {"--seed", "1247"},
                   {"--tests", kTests},
                   {"--model", ""},
                   {"--data", ""}};
  for (int i = 1; i < count; i += 2) {
    if (i + 1 >= count || !values.contains(arguments[i])) {
      throw Error(ErrorCode::kInvalidArgument,
                  std::string(arguments[i]) + " is no option, or lacks its value");
    }
    values[arguments[i]] = arguments[i + 1];
  }
  if (values["--model"].empty() || values["--data"].empty()) {
    throw Error(ErrorCode::kInvalidArgument, "--model and --data are needed");
  }
  return values;
}

[[noreturn]] void refuse(const Values& options, const std::string& name,
                         const std::string& wanted) {
  throw Error(ErrorCode::kInvalidArgument,
              name + " takes " + wanted + ", not \"" + options.at(name) + "\"");
}

double number(const Values& options, const std::string& name) {
  const auto& text = options.at(name);
  double value = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) refuse(options, name, "a number");
  return value;
}

int64_t whole_number(const Values& options, const std::string& name, int64_t least) {
  const auto& text = options.at(name);
  int64_t value = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || value < least) {
    refuse(options, name, "a whole number from " + std::to_string(least) + " on");
  }
  return value;
}

template <typename Value>
Value one_of(const Values& options, const std::string& name,
             const std::map<std::string, Value>& known) {
  const auto found = known.find(options.at(name));
  if (found != known.end()) return found->second;
  std::string names;
  for (const auto& [known_name, value] : known) names += (names.empty() ? "" : ", ") + known_name;
  refuse(options, name, names);
}

std::set<std::string> chosen_tests(const Values& options) {
  std::istringstream all(kTests), list(options.at("--tests"));
  std::set<std::string> known, chosen;
  for (std::string test; std::getline(all, test, ',');) known.insert(test);
  for (std::string test; std::getline(list, test, ',');) {
    if (!known.contains(test)) refuse(options, "--tests", std::string("some of ") + kTests);
    chosen.insert(test);
  }
  return chosen;
}

ModelSettings model_settings(const Values& options) {
  static const std::map<std::string, Precision> precisions = {{"auto", Precision::kAuto},
                                                              {"float32", Precision::kFloat32},
                                                              {"bfloat16", Precision::kBfloat16},
                                                              {"float16", Precision::kFloat16}};
  return {.folder = options.at("--model"),
          .face_folder = options.at("--faces"),
          .device = options.at("--device"),
          .precision = one_of(options, "--precision", precisions)};
}

}  // namespace

MeasureOptions parse_measure_options(int count, char** arguments) {
  static const std::map<std::string, Attention> attentions = {
      {"flex", Attention::kFlex}, {"flash", Attention::kFlash}, {"standard", Attention::kStandard}};
  const auto values = values_of(count, arguments);
  MeasureOptions options{.data = values.at("--data"),
                         .taesd = values.at("--taesd"),
                         .out = values.at("--out"),
                         .frames = values.at("--frames"),
                         .tests = chosen_tests(values),
                         .pairs = static_cast<size_t>(whole_number(values, "--pairs", 1)),
                         .model = model_settings(values),
                         .render = {},
                         .attention = values.at("--attention")};
  auto& render = options.render;
  render.attention = one_of(values, "--attention", attentions);
  render.inference_steps = whole_number(values, "--steps", 0);
  render.guidance_scale = number(values, "--guidance");
  render.feature_cache = whole_number(values, "--feature-cache", -1);
  render.seed = whole_number(values, "--seed", -1);
  return options;
}

const char* measure_usage() { return kUsage; }

}  // namespace latentsync::train
