#pragma once

#include "core/engine.h"

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>

namespace latentsync::train {

/// What latentsync-measure is asked for.
struct MeasureOptions {
  std::filesystem::path data;  ///< of `prepare.py unpack`
  std::filesystem::path taesd, out;
  std::filesystem::path frames;  ///< where what is rendered is kept; empty: nowhere
  std::set<std::string> tests;
  size_t pairs = 0;  ///< at most, of a test
  ModelSettings model;
  RenderSettings render;
  std::string attention;  ///< its name
};

/// Errors: kInvalidArgument, saying what is wrong with which option.
MeasureOptions parse_measure_options(int count, char** arguments);

/// What --help prints.
const char* measure_usage();

}  // namespace latentsync::train
