#include "examples/transcode/render_plan.h"

#include "examples/transcode/written_file.h"

#include <cmath>
#include <cstdio>

namespace latentsync::transcode {
namespace {

std::string louder_by(double gain) {
  char text[96];
  std::snprintf(text, sizeof text, "the speech is cleaned and made %.1f dB %s for the mouth",
                std::abs(gain), gain < 0 ? "quieter" : "louder");
  return text;
}

}  // namespace

RenderPlan plan_for(const Clip& clip, const Target& target, const Streams& streams,
                    GstEncodingProfile* profile, const std::string& file, Progress& progress) {
  RenderPlan plan{.profile = profile,
                  .file = file,
                  .frames = clip.frames,
                  .name = clip.output,
                  .caps = exact_caps(target, streams.pixel_format())};
  const std::string lost = lost_pixels(target, streams.decoded_format(), streams.pixel_format());
  if (!lost.empty()) {
    progress.line("warning: " + lost);
  }
  if (takes_even_sizes_only(target, streams.pixel_format())) {
    plan.crop_right = streams.width() % 2;
    plan.crop_bottom = streams.height() % 2;
  }
  if (plan.crop_right + plan.crop_bottom > 0) {
    progress.line(
        "warning: the picture is " + std::to_string(streams.width()) + "x" +
        std::to_string(streams.height()) +
        ", and H.264 and H.265 take even sizes: the last column or row is left out; .mkv keeps it");
  }
  if (streams.is_interlaced() && !marks_fields(target)) {
    progress.line(
        "warning: the video is interlaced, and VP9 has no mark for that: it is shown with combs; "
        ".mp4, .mov and .mkv keep the mark");
  }
  return plan;
}

double measured_gain(const Streams& streams, Progress& progress) {
  const double gain = streams.cleaning_gain();
  progress.line(louder_by(gain));
  return gain;
}

std::string resume_hint(GstElement* element) {
  gboolean cache = FALSE;
  gint64 seed = 0;
  g_object_get(element, "disk-cache", &cache, "seed", &seed, nullptr);
  return cache != FALSE && seed >= 0
             ? "the same command again goes on from the windows in the cache"
             : "";
}

void finish(OutputFile& output, std::optional<guint64> frames, GstClockTime sound_length) {
  complete(output.partial(), output.path(), sound_length);
  if (frames) {
    check_frames(output.partial(), output.path(), *frames);
  }
  output.keep();
}

}  // namespace latentsync::transcode
