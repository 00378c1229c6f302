#include "tests/transcode/markup.h"
#include "tests/transcode/operations.h"

#include <algorithm>
#include <fstream>
#include <regex>

#include <gtest/gtest.h>

/// --report, as its users have it.
namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

size_t pictures_in(const std::vector<MarkupElement>& elements) {
  return size_t(std::count_if(elements.begin(), elements.end(),
                              [](const MarkupElement& element) { return element.name == "img"; }));
}

// The page shows the run: pictures of faces, frames that were edited and passed, mouth and speech,
// windows, memory, settings; and no pixel of the output is another one.
TEST(Report, ShowsTheRun) {
  const fs::path folder = empty_folder();
  const std::string input = media("rate-25.mp4") + " --audio " + media("speech-long.wav");
  const std::string no_face = "LATENTSYNC_FAKE=no-face=0ms-200ms";
  const Finished plain = transcode_in(folder, input + " -o plain.mkv --set seed=7", no_face);
  ASSERT_EQ(plain.status, 0) << plain.output;
  const Finished shown =
      transcode_in(folder, input + " -o shown.mkv --set seed=7 --report page.html", no_face);
  ASSERT_EQ(shown.status, 0) << shown.output;
  EXPECT_EQ(frame_hashes(folder / "plain.mkv"), frame_hashes(folder / "shown.mkv"));
  const std::string page = content_of(folder / "page.html");
  const auto elements = parse_markup(page);
  for (const char* id : {"summary", "whole", "faces", "frames-plot", "mouth-plot", "loudness-plot",
                         "time-plot", "memory-plot", "model", "settings"}) {
    by_id(elements, id);
  }
  EXPECT_GE(pictures_in(elements), 2u * 9);
  EXPECT_EQ(count_of(elements, "rect", "edited"), 1u);
  EXPECT_EQ(count_of(elements, "rect", "no-face"), 1u);
  EXPECT_EQ(count_of(elements, "rect", "not-rendered"), 0u);
  EXPECT_EQ(count_of(elements, "rect", "denoise"), 3u) << "of 40 frames in windows of 16";
  for (const char* words : {"<dd>40</dd>", "34 frames", "shown.mkv", "fake", "measure"}) {
    const bool there = page.find(words) != std::string::npos;
    EXPECT_EQ(there, std::string(words) != "measure") << words;
  }
  EXPECT_FALSE(fs::exists(folder / "page.html.partial"));
}

// Of a part only the part is shown, from its own beginning.
TEST(Report, ShowsThePart) {
  const fs::path folder = empty_folder();
  const Finished finished = transcode_in(folder, media("rate-25.mp4") +
                                                     " -o o.mkv --start 0.8 --duration 0.4 "
                                                     "--report p.html");
  ASSERT_EQ(finished.status, 0) << finished.output;
  const std::string page = content_of(folder / "p.html");
  parse_markup(page);
  EXPECT_NE(page.find("<dd>10</dd>"), std::string::npos);
  EXPECT_NE(page.find("0:00.4<small>from 0:00.8</small>"), std::string::npos);
}

// A run that fails has a page that says why, with what there was before; the older page goes.
TEST(Report, OfAFailureSaysWhy) {
  const fs::path folder = empty_folder();
  std::ofstream(folder / "p.html") << "older";
  const Finished finished = transcode_in(folder, media("rate-25.mp4") + " -o o.mkv --report p.html",
                                         "LATENTSYNC_FAKE=render-failure=device@1");
  EXPECT_EQ(finished.status, 75) << finished.output;
  const std::string page = content_of(folder / "p.html");
  const auto elements = parse_markup(page);
  by_id(elements, "problem");
  EXPECT_NE(page.find("there is no output"), std::string::npos);
  EXPECT_EQ(count_of(elements, "rect", "denoise"), 1u);
  EXPECT_FALSE(fs::exists(folder / "o.mkv"));
}

// A page that cannot be written is told before anything is rendered.
TEST(Report, IsRefusedWhereItCannotBeWritten) {
  const fs::path folder = empty_folder();
  expect_refused(transcode_in(folder, media("rate-25.mp4") + " -o o.mkv --report nowhere/p.html"),
                 "--report nowhere/p.html: cannot be written");
}

// A batch has a page for each clip, in a tree like the inputs', or as a pattern says; an output
// that is kept keeps its page.
TEST(Report, OfABatchIsATree) {
  const fs::path folder = empty_folder();
  fs::create_directories(folder / "clips/more");
  fs::copy_file(media("rate-25.mp4"), folder / "clips/a.mp4");
  fs::copy_file(media("rate-30.mp4"), folder / "clips/more/b & c.mp4");
  Finished finished = transcode_in(folder, "--batch clips -o made --report pages");
  ASSERT_EQ(finished.status, 0) << finished.output;
  for (const char* name : {"pages/a.html", "pages/more/b & c.html"}) {
    parse_markup(content_of(folder / name));
    std::ofstream(folder / name) << "kept";
  }
  finished = transcode_in(folder, "--batch clips -o made --report pages");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_EQ(content_of(folder / "pages/a.html"), "kept");
  finished = transcode_in(folder, "--batch clips -o made2 --report 'p/{stem}-{seed}.html'");
  ASSERT_EQ(finished.status, 0) << finished.output;
  parse_markup(content_of(folder / "p/a-1247.html"));
  const Finished refused =
      transcode_in(folder, "--batch clips -o made3 --report 'p/{other}{stem}.html'");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.output.find("--report p/{other}{stem}.html: {other} is not known"),
            std::string::npos)
      << refused.output;
}

/// A browser without a screen; empty: there is none.
std::string browser() {
  for (const char* name : {"chromium-headless-shell", "chromium"}) {
    const Finished found = run_process(std::string("command -v ") + name);
    if (found.status == 0) {
      return found.output.substr(0, found.output.find('\n'));
    }
  }
  return "";
}

// A browser without a network opens the page and finds its parts in their places: nothing wider
// than the window, pictures that are decoded, plots that have a size.
TEST(Report, OpensInABrowser) {
  const std::string program = browser();
  if (program.empty()) {
    GTEST_SKIP() << "NO BROWSER: install Debian's package chromium-headless-shell";
  }
  const fs::path folder = empty_folder();
  const Finished finished =
      transcode_in(folder, media("rate-25.mp4") + " -o o.mkv --report p.html");
  ASSERT_EQ(finished.status, 0) << finished.output;
  // What the browser makes of the page is written into it by a script of this test's own.
  constexpr char kProbe[] =
      "<script>addEventListener('load', () => { const say = (name, value) => "
      "document.body.setAttribute('data-' + name, value);"
      "say('overflow', document.documentElement.scrollWidth - "
      "document.documentElement.clientWidth);"
      "say('pictures', [...document.images].filter(i => i.naturalWidth >= 200).length);"
      "say('plots', [...document.querySelectorAll('svg.plot')].filter(s => "
      "s.getBoundingClientRect().width > 200 && s.getBoundingClientRect().height > 30).length);"
      "say('shapes', [...document.querySelectorAll('svg.plot rect')].filter(s => "
      "s.getBoundingClientRect().width > 0).length);"
      "say('edited', getComputedStyle(document.querySelector('rect.edited')).fill);"
      "}, {once: true});</script></body>";
  const std::string page = content_of(folder / "p.html");
  std::ofstream(folder / "probed.html") << std::regex_replace(page, std::regex("</body>"), kProbe);
  for (const int width : {400, 1600}) {
    SCOPED_TRACE(width);
    const Finished opened = run_process(
        "timeout 60 " + program +
        " --headless --no-sandbox --disable-gpu --virtual-time-budget=3000 --window-size=" +
        std::to_string(width) + ",900 --user-data-dir=" + (folder / "profile").string() +
        " --dump-dom 'file://" + (folder / "probed.html").string() + "' 2>/dev/null");
    ASSERT_EQ(opened.status, 0) << opened.output;
    const auto said = [&](const std::string& name) {
      std::smatch found;
      const std::regex pattern("<body[^>]* data-" + name + "=\"([^\"]*)\"");
      return std::regex_search(opened.output, found, pattern) ? found[1].str() : "nothing";
    };
    EXPECT_EQ(said("overflow"), "0");
    EXPECT_GE(std::atoi(said("pictures").c_str()), 18);
    EXPECT_EQ(said("plots"), "5");
    EXPECT_GE(std::atoi(said("shapes").c_str()), 10);
    EXPECT_NE(said("edited"), "rgb(0, 0, 0)") << "the style is not applied";
  }
}

}  // namespace
}  // namespace latentsync::test
