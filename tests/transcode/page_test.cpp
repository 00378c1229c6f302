#include "examples/transcode/page.h"

#include "tests/transcode/markup.h"

#include <algorithm>
#include <regex>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using namespace transcode;

/// A run of SECONDS at 25 frames/s: frames of each fate, a mouth, speech, windows.
Recording recording_of(int seconds) {
  Recording recording;
  recording.length = GstClockTime(seconds) * GST_SECOND;
  recording.frames = guint64(seconds) * 25;
  for (int second = 0; second < seconds; ++second) {
    const GstClockTime begin = GstClockTime(second) * GST_SECOND;
    FrameRun run{.begin = begin, .end = begin + GST_SECOND};
    const size_t fate = second == 1 ? 1 : second == 2 ? 2 : second == 3 ? 3 : 0;
    run.frames[fate] = 25;
    recording.fates[fate] += 25;
    run.late = second == 3 ? 5 : 0;
    recording.late += run.late;
    recording.runs.push_back(run);
    recording.mouth.push_back(Level::of(begin, begin + 40 * GST_MSECOND, 0.1 * (second % 5)));
    recording.loudness.push_back(Level::of(begin, begin + GST_SECOND, -20 - second % 7));
    recording.costs.push_back({.begin = begin,
                               .end = begin + GST_SECOND,
                               .windows = 1,
                               .cached = second == 4 ? 1U : 0U,
                               .seconds = 2,
                               .stages = {0.1, 0.2, 0.3, 1, 0.3, 0.1},
                               .memory_peak = 300 << 20,
                               .memory_planned = 400 << 20});
  }
  recording.windows = recording.costs.size();
  recording.cached_windows = 1;
  recording.plan = {"cuda:0", "vae-tiles", gint64(8) << 30, gint64(6) << 30, 400 << 20};
  recording.memory_peak = 300 << 20;
  recording.faces.push_back({.time = GST_SECOND, .confidence = 0.987, .before = "B", .after = "A"});
  recording.faces.push_back({.time = 2 * GST_SECOND,
                             .confidence = 0.5,
                             .least_certain = true,
                             .before = "B",
                             .after = "A"});
  recording.whole.push_back({.time = GST_SECOND, .before = "B", .after = "A"});
  recording.warnings = {"the video is <odd> & long"};
  return recording;
}

PageFacts facts() {
  return {.output = "made/out.mp4",
          .input = "in.mp4",
          .speech = "speech.wav",
          .sound = "music.wav",
          .version = "1.2.3",
          .date = "2026-01-02 03:04",
          .seconds = 75,
          .frames_per_second = 3.25,
          .settings = {{"seed", "1247", false}, {"lips-expression", "2", true}},
          .model = {{"name", "demo", false}}};
}

// A page has all of its parts, each once, and what was told is in them.
TEST(Page, HasItsParts) {
  const std::string page = page_of(facts(), recording_of(10));
  const auto elements = parse_markup(page);
  for (const char* id :
       {"summary", "warnings", "whole", "faces", "frames", "speech", "time", "memory", "model",
        "settings", "frames-plot", "mouth-plot", "loudness-plot", "time-plot", "memory-plot"}) {
    by_id(elements, id);
  }
  for (const char* words :
       {"out.mp4", "in.mp4", "speech.wav", "music.wav", "1.2.3", "2026-01-02 03:04", "complete",
        "the video is &lt;odd&gt; &amp; long", "passed: no face", "certainty of the face 98.7 %",
        "the least certain edited frame", "1 from the cache", "300 MiB", "400 MiB", "6 GiB",
        "vae-tiles", "3.25 frames/s", "1:15"}) {
    EXPECT_NE(page.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(count_of(elements, "tr", "changed"), 1u);
  EXPECT_EQ(count_of(elements, "rect", "denoise"), 10u);
  EXPECT_EQ(count_of(elements, "rect", "late"), 1u);
  EXPECT_EQ(count_of(elements, "figure", "marked"), 1u);
  // Every picture says what it shows, and every plot has its numbers as a table.
  for (const auto& element : elements) {
    EXPECT_TRUE(element.name != "img" || element.attributes.contains("alt"));
  }
  EXPECT_GE(size_t(std::count_if(elements.begin(), elements.end(),
                                 [](const auto& element) { return element.name == "details"; })),
            5u);
}

// Nothing is fetched and nothing is run: no address but that of data, no script.
TEST(Page, NeedsNothingElse) {
  const std::string page = page_of(facts(), recording_of(10));
  const auto elements = parse_markup(page);
  size_t pictures = 0;
  for (const auto& element : elements) {
    EXPECT_NE(element.name, "script");
    EXPECT_NE(element.name, "link");
    for (const auto& [name, value] : element.attributes) {
      EXPECT_FALSE(name.starts_with("on")) << name;
      EXPECT_NE(name, "href");
      if (name == "src") {
        EXPECT_TRUE(value.starts_with("data:image/jpeg;base64,")) << value;
        ++pictures;
      }
    }
  }
  EXPECT_EQ(pictures, 6u);
  EXPECT_EQ(std::regex_replace(page, std::regex("http://www.w3.org/1999/xhtml"), "").find("://"),
            std::string::npos);
  EXPECT_EQ(page.find("@import"), std::string::npos);
  EXPECT_EQ(page.find("url("), std::string::npos);
}

// No name, setting, warning or error breaks the page, whatever its bytes are.
TEST(Page, TakesAnyNames) {
  const std::string nasty = "a<b>&\"'\xff\xc3(\x01</title><script>alert(1)</script>.mp4";
  PageFacts all{.state = PageState::kFailed,
                .problem = nasty,
                .output = nasty,
                .input = nasty,
                .speech = nasty + "1",
                .sound = nasty + "2",
                .version = nasty,
                .date = nasty,
                .settings = {{nasty, nasty, true}},
                .model = {{nasty, nasty, false}}};
  Recording recording = recording_of(3);
  recording.warnings = {nasty};
  recording.plan.rung = nasty;
  recording.plan.device = nasty;
  const std::string page = page_of(all, recording);
  parse_markup(page);
  EXPECT_EQ(page.find("<script"), std::string::npos);
}

// A run that failed before its first frame has a page with the reason, and no empty plots.
TEST(Page, OfAFailureSaysWhy) {
  PageFacts failed = facts();
  failed.state = PageState::kFailed;
  failed.problem = "the model's file is damaged";
  const auto elements = parse_markup(page_of(failed, {}));
  EXPECT_NE(page_of(failed, {}).find("the model&#39;s file is damaged"), std::string::npos);
  by_id(elements, "problem");
  by_id(elements, "settings");
  EXPECT_EQ(count_of(elements, "svg", "plot"), 0u);
  EXPECT_EQ(count_of(elements, "span", "bad"), 1u);
  failed.state = PageState::kEarly;
  failed.problem = "";
  EXPECT_NE(page_of(failed, recording_of(2)).find("the output ends early"), std::string::npos);
}

// Of a clip of any length, and with parts missing, the page is well-formed and not large.
TEST(Page, IsNotLarge) {
  for (const int seconds : {1, 2, 60, 1200}) {
    SCOPED_TRACE(seconds);
    Recording recording = recording_of(seconds);
    const std::string page = page_of(facts(), recording);
    parse_markup(page);
    EXPECT_LT(page.size(), 1'500'000u);
    recording.mouth.clear();
    recording.loudness.clear();
    recording.faces.clear();
    recording.whole.clear();
    recording.plan = {};
    parse_markup(page_of(facts(), recording));
  }
}

}  // namespace
}  // namespace latentsync::test
