#pragma once

#include <array>
#include <gst/gst.h>
#include <limits>
#include <string>
#include <vector>

/// What a page shows of a run, as values. All times are nanoseconds from the first frame of the
/// part that is rendered. Each list has a bounded length, however long the clip is: where it is
/// long, an entry stands for neighbours that follow one another.
namespace latentsync::transcode {

enum class FrameFate {
  kEdited,
  kNoFace,       ///< passed: none was found
  kImplausible,  ///< passed: the face is too small, too oddly shaped or too uncertain
  kNotRendered,  ///< passed: the window was late, or nothing was to be rendered
};
constexpr size_t kFates = 4;

/// Frames that follow one another.
struct FrameRun {
  GstClockTime begin = 0;
  GstClockTime end = 0;
  std::array<guint64, kFates> frames{};  ///< by FrameFate
  guint64 late = 0;                      ///< of all of them

  guint64 count() const { return frames[0] + frames[1] + frames[2] + frames[3]; }
  void merge(const FrameRun& later);
};

/// A quantity, sampled now and then.
struct Level {
  GstClockTime begin = 0;  ///< of the first sample
  GstClockTime end = 0;    ///< of the last one
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  double sum = 0;
  guint64 samples = 0;

  double mean() const { return samples > 0 ? sum / double(samples) : 0; }
  static Level of(GstClockTime begin, GstClockTime end, double value);
  void merge(const Level& later);
};

/// The stages of a window, in order, as fields of the element's messages and statistics name them
/// after "seconds-".
constexpr std::array kStageNames = {"face", "audio", "encode", "denoise", "decode", "paste"};

/// Windows that follow one another.
struct WindowRun {
  GstClockTime begin = 0;
  GstClockTime end = 0;
  guint64 windows = 0;
  guint64 cached = 0;                               ///< of them; nothing was denoised
  double seconds = 0;                               ///< from a window's begin to its end, added up
  std::array<double, kStageNames.size()> stages{};  ///< seconds, added up
  gint64 memory_peak = 0;                           ///< bytes: the most of them
  gint64 memory_planned = 0;                        ///< likewise

  void merge(const WindowRun& later);
};

/// The plan that was in force last, in bytes; -1: not known.
struct PlannedMemory {
  std::string device;
  std::string rung;  ///< "whole": none
  gint64 total = -1;
  gint64 budget = -1;
  gint64 peak = -1;
};

/// A frame before and after, as JPEG pictures.
struct PicturePair {
  GstClockTime time = 0;
  FrameFate fate = FrameFate::kEdited;
  double confidence = 0;  ///< that it is a face, 0 to 1
  bool least_certain = false;
  std::string before;  ///< bytes; empty where no picture could be made
  std::string after;
};

struct Recording {
  GstClockTime begin = 0;   ///< of the part, on the whole's timeline
  GstClockTime length = 0;  ///< up to the end of the last frame that came out
  guint64 frames = 0;
  guint64 late = 0;
  std::array<guint64, kFates> fates{};  ///< frames, by FrameFate
  guint64 windows = 0;
  guint64 cached_windows = 0;
  std::vector<FrameRun> runs;
  std::vector<Level> mouth;     ///< distance of the inner lips in parts of the mouth's width
  std::vector<Level> loudness;  ///< dB below full scale, of what drives the mouth
  std::vector<WindowRun> costs;
  PlannedMemory plan;
  gint64 memory_peak = 0;  ///< bytes: the most of all windows
  std::vector<PicturePair> faces;
  std::vector<PicturePair> whole;  ///< one frame, or none
  gint64 drawn_seed = -1;          ///< -1: none was drawn
  std::vector<std::string> warnings;
};

}  // namespace latentsync::transcode
