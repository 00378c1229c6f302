#include "core/error.h"
#include "examples/train/run.h"

#include <cstdio>
#include <string>

// latentsync-train: trains a small model on the clips that prepare.py prepared.
int main(int count, char** arguments) {
  constexpr int kMoreToDo = 75;
  try {
    if (count > 1 && std::string(arguments[1]) == "--help") {
      std::fputs(latentsync::train::usage().c_str(), stdout);
      return 0;
    }
    const auto options = latentsync::train::parse_options(count, arguments);
    if (latentsync::train::run(options)) return 0;
    std::puts("The session's time is over; the same command goes on from here.");
    return kMoreToDo;
  } catch (...) {
    const auto error = latentsync::current_error();
    std::fprintf(stderr, "latentsync-train: %s\n%s\n", error.what(), error.detail().c_str());
    return 1;
  }
}
