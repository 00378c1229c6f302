#pragma once

#include "core/error.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace latentsync::fake {

/// The words of fake_engine.h, understood.
struct Behaviour {
  struct RenderFailure {
    ErrorCode code;
    int first;
    int count;
  };

  std::chrono::nanoseconds plan_delay{0};
  std::chrono::nanoseconds load_delay{0};
  int load_steps = 4;
  std::optional<ErrorCode> load_failure;
  std::optional<ErrorCode> open_failure;
  std::optional<ErrorCode> resolve_failure;
  std::optional<ErrorCode> plan_failure;
  std::optional<int> lower_rung;
  std::optional<RenderFailure> render_failure;
  std::chrono::nanoseconds prepare_delay{0};
  std::chrono::nanoseconds delay{0};
  std::chrono::nanoseconds step_delay{0};
  std::chrono::nanoseconds write_delay{0};
  std::chrono::nanoseconds jitter{0};
  std::string device = "cpu";
  int steps = 4;
  int resolution = 64;
  int window_limit = 24;
  int warnings = 0;
  int cached = 0;
  std::string cache_warning;
  std::string cache_end_warning;
  std::chrono::nanoseconds cache_end_delay{0};
  std::vector<std::pair<int64_t, int64_t>> no_face;  ///< ns, both ends belong to it
  int no_face_mark = -1;
  std::chrono::nanoseconds context = std::chrono::seconds(1);
  bool record = true;
};

/// Reads words over what BEHAVIOUR says already. Throws std::invalid_argument.
void read_words(const std::string& words, Behaviour& behaviour);

}  // namespace latentsync::fake
