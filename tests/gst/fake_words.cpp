#include "tests/gst/fake_words.h"

#include <array>
#include <limits>
#include <stdexcept>

namespace latentsync::fake {
namespace {

constexpr std::array<std::pair<const char*, ErrorCode>, 10> kCodes = {{
    {"not-found", ErrorCode::kNotFound},
    {"unreadable", ErrorCode::kUnreadable},
    {"damaged-file", ErrorCode::kDamagedFile},
    {"foreign-model", ErrorCode::kForeignModel},
    {"unsupported", ErrorCode::kUnsupported},
    {"invalid-argument", ErrorCode::kInvalidArgument},
    {"out-of-memory", ErrorCode::kOutOfMemory},
    {"device", ErrorCode::kDevice},
    {"cancelled", ErrorCode::kCancelled},
    {"internal", ErrorCode::kInternal},
}};

ErrorCode code_of(const std::string& text) {
  for (const auto& [name, code] : kCodes) {
    if (text == name) return code;
  }
  throw std::invalid_argument("no such error code: " + text);
}

std::chrono::nanoseconds duration_of(const std::string& text) {
  size_t used = 0;
  const double value = std::stod(text, &used);
  const std::string unit = text.substr(used);
  if (unit == "s") return std::chrono::nanoseconds(static_cast<int64_t>(value * 1e9));
  if (unit == "ms") return std::chrono::nanoseconds(static_cast<int64_t>(value * 1e6));
  if (unit == "us") return std::chrono::nanoseconds(static_cast<int64_t>(value * 1e3));
  if (unit == "ns") return std::chrono::nanoseconds(static_cast<int64_t>(value));
  throw std::invalid_argument("no duration: " + text);
}

Behaviour::RenderFailure render_failure_of(const std::string& text) {
  const size_t at = text.find('@');
  if (at == std::string::npos) return {code_of(text), 0, std::numeric_limits<int>::max()};
  const size_t plus = text.find('+', at);
  return {code_of(text.substr(0, at)), std::stoi(text.substr(at + 1)),
          plus == std::string::npos ? std::numeric_limits<int>::max()
                                    : std::stoi(text.substr(plus + 1))};
}

std::pair<int64_t, int64_t> range_of(const std::string& text) {
  const size_t dash = text.find('-');
  if (dash == std::string::npos) throw std::invalid_argument("no range: " + text);
  return {duration_of(text.substr(0, dash)).count(), duration_of(text.substr(dash + 1)).count()};
}

void read_word(const std::string& key, const std::string& value, Behaviour& behaviour) {
  if (key == "plan-delay") {
    behaviour.plan_delay = duration_of(value);
  } else if (key == "load-delay") {
    behaviour.load_delay = duration_of(value);
  } else if (key == "load-steps") {
    behaviour.load_steps = std::stoi(value);
  } else if (key == "load-failure") {
    behaviour.load_failure = code_of(value);
  } else if (key == "open-failure") {
    behaviour.open_failure = code_of(value);
  } else if (key == "resolve-failure") {
    behaviour.resolve_failure = code_of(value);
  } else if (key == "plan-failure") {
    behaviour.plan_failure = code_of(value);
  } else if (key == "lower-rung") {
    behaviour.lower_rung = std::stoi(value);
  } else if (key == "render-failure") {
    behaviour.render_failure = render_failure_of(value);
  } else if (key == "device") {
    behaviour.device = value;
  } else if (key == "prepare-delay") {
    behaviour.prepare_delay = duration_of(value);
  } else if (key == "delay") {
    behaviour.delay = duration_of(value);
  } else if (key == "step-delay") {
    behaviour.step_delay = duration_of(value);
  } else if (key == "write-delay") {
    behaviour.write_delay = duration_of(value);
  } else if (key == "jitter") {
    behaviour.jitter = duration_of(value);
  } else if (key == "steps") {
    behaviour.steps = std::stoi(value);
  } else if (key == "resolution") {
    behaviour.resolution = std::stoi(value);
  } else if (key == "warnings") {
    behaviour.warnings = std::stoi(value);
  } else if (key == "cached") {
    behaviour.cached = std::stoi(value);
  } else if (key == "cache-warning") {
    behaviour.cache_warning = value;
  } else if (key == "cache-end-warning") {
    behaviour.cache_end_warning = value;
  } else if (key == "cache-end-delay") {
    behaviour.cache_end_delay = duration_of(value);
  } else if (key == "window-limit") {
    behaviour.window_limit = std::stoi(value);
  } else if (key == "no-face") {
    behaviour.no_face.push_back(range_of(value));
  } else if (key == "no-face-mark") {
    behaviour.no_face_mark = std::stoi(value);
  } else if (key == "context") {
    behaviour.context = duration_of(value);
  } else if (key == "record") {
    behaviour.record = value == "on";
  } else {
    throw std::invalid_argument("the fake engine does not know the word " + key);
  }
}

}  // namespace

void read_words(const std::string& words, Behaviour& behaviour) {
  size_t begin = 0;
  while (begin < words.size()) {
    size_t end = words.find_first_of(",\n", begin);
    if (end == std::string::npos) end = words.size();
    const std::string word = words.substr(begin, end - begin);
    begin = end + 1;
    if (word.empty()) continue;
    const size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::invalid_argument("no key=value: " + word);
    read_word(word.substr(0, equals), word.substr(equals + 1), behaviour);
  }
}

}  // namespace latentsync::fake
