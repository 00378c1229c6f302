#include "examples/transcode/svg.h"

#include "examples/transcode/markup.h"
#include "tests/transcode/markup.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

using transcode::Plot;
using transcode::Tick;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// What means something in a document loses its meaning, and no bytes break the document.
TEST(Markup, IsEscaped) {
  EXPECT_EQ(transcode::escaped("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(transcode::escaped("größer, 大"), "größer, 大");
  EXPECT_EQ(transcode::escaped("a\xff\xfe.mp4"), "a\xEF\xBF\xBD\xEF\xBF\xBD.mp4");
  EXPECT_EQ(transcode::escaped(std::string("a\0b\x1b[0m", 7)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD[0m");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all += char(byte);
  }
  parse_markup("<p id=\"" + transcode::escaped(all) + "\">" + transcode::escaped(all) + "</p>");
}

TEST(Markup, NumbersAreShort) {
  EXPECT_EQ(transcode::short_number(0.5, 3), "0.5");
  EXPECT_EQ(transcode::short_number(12, 3), "12");
  EXPECT_EQ(transcode::short_number(100, 0), "100");
  EXPECT_EQ(transcode::short_number(-0.0001, 2), "0");
  EXPECT_EQ(transcode::short_number(kNone, 2), "0");
  EXPECT_EQ(transcode::short_number(1e300, 0).size(), 301u);
}

struct Axis {
  double least;
  double most;
  int ticks;
};

class ValueTicks : public testing::TestWithParam<Axis> {};

// The numbers along an axis are round, evenly spaced, on the axis, and neither too many nor one
// alone.
TEST_P(ValueTicks, AreRoundAndOnTheAxis) {
  const Axis axis = GetParam();
  const auto ticks = transcode::value_ticks(axis.least, axis.most, axis.ticks);
  ASSERT_GE(ticks.size(), 2u);
  EXPECT_LE(ticks.size(), size_t(axis.ticks));
  const double step = ticks[1].value - ticks[0].value;
  const double digits = step / std::pow(10, std::floor(std::log10(step * (1 + 1e-9))));
  EXPECT_TRUE(std::abs(digits - 1) < 1e-6 || std::abs(digits - 2) < 1e-6 ||
              std::abs(digits - 5) < 1e-6)
      << step;
  for (size_t at = 0; at < ticks.size(); ++at) {
    EXPECT_GE(ticks[at].value, axis.least - 1e-9);
    EXPECT_LE(ticks[at].value, axis.most + 1e-9);
    EXPECT_NEAR(ticks[at].value, ticks[0].value + double(at) * step, 1e-9 * std::abs(axis.most));
    EXPECT_NEAR(std::stod(ticks[at].label), ticks[at].value, 1e-6 * step);
  }
}

INSTANTIATE_TEST_SUITE_P(Axes, ValueTicks,
                         testing::Values(Axis{0, 1, 5}, Axis{0, 0.3, 4}, Axis{0, 7.3, 5},
                                         Axis{-60, 0, 4}, Axis{0, 0.0012, 5}, Axis{0, 12345, 5},
                                         Axis{0, 9.99, 3}, Axis{2.5, 3, 6}));

TEST(ValueTicks, OfAnEmptyAxisAreOne) {
  EXPECT_EQ(transcode::value_ticks(3, 3, 5).size(), 1u);
  EXPECT_EQ(transcode::value_ticks(0, kNone, 5).size(), 1u);
}

// Times are those of clocks, few enough for a small screen, from a tenth of a second to days.
TEST(TimeTicks, AreThoseOfClocks) {
  for (const double seconds : {0.0, 0.04, 0.9, 4., 59., 600., 3599., 36000., 1e6}) {
    SCOPED_TRACE(seconds);
    const auto ticks = transcode::time_ticks(seconds, 7);
    ASSERT_FALSE(ticks.empty());
    EXPECT_LE(ticks.size(), 7u);
    EXPECT_EQ(ticks.front().value, 0);
    EXPECT_LE(ticks.back().value, seconds + 1e-6);
    EXPECT_TRUE(seconds < 1 || ticks.size() >= 3) << ticks.size();
  }
  const auto labels = [](double seconds) {
    std::string all;
    for (const Tick& tick : transcode::time_ticks(seconds, 7)) {
      all += tick.label + " ";
    }
    return all;
  };
  EXPECT_EQ(labels(1), "0:00.0 0:00.2 0:00.4 0:00.6 0:00.8 0:01.0 ");
  EXPECT_EQ(labels(10), "0:00 0:02 0:04 0:06 0:08 0:10 ");
  EXPECT_EQ(labels(7200), "0:00 30:00 1:00:00 1:30:00 2:00:00 ");
}

Plot plot_with(const std::string& title) {
  return Plot({"p", title, "What it is."}, 10, 0, 2, 100);
}

// A plot is a well-formed picture with a title and a description, whatever its texts hold.
TEST(Plots, AreWellFormed) {
  Plot plot = plot_with("</title><script>&");
  plot.add_y_ticks(std::vector<Tick>{{1, "1 < 2 & \"3\""}});
  plot.add_x_ticks(std::vector<Tick>{{0, "0"}, {5, "5"}, {10, "10"}});
  plot.add_box({0, 1, 0, 1}, "edited", "a <b> & 'c'");
  const auto elements = parse_markup(plot.svg());
  EXPECT_EQ(by_id(elements, "p").attributes.at("role"), "img");
  EXPECT_EQ(by_id(elements, "p-title").text, "</title><script>&");
  EXPECT_EQ(by_id(elements, "p-description").text, "What it is.");
  EXPECT_EQ(plot.svg().find("<script"), std::string::npos);
  EXPECT_EQ(count_of(elements, "rect", "edited"), 1u);
  // A label at the end of the axis is not cut off by the end of the page.
  std::string anchors;
  for (const auto& element : elements) {
    const auto anchor = element.attributes.find("text-anchor");
    anchors += anchor == element.attributes.end() ? "" : anchor->second + " ";
  }
  EXPECT_EQ(anchors, "end middle middle end ");
}

/// The numbers in the first path of a plot.
std::vector<double> path_numbers(const std::string& svg) {
  const std::regex path(" d=\"([^\"]*)\"");
  std::smatch found;
  std::vector<double> numbers;
  if (!std::regex_search(svg, found, path)) {
    return numbers;
  }
  const std::string text = found[1];
  const std::regex number("-?[0-9.]+");
  for (std::sregex_iterator at(text.begin(), text.end(), number), end; at != end; ++at) {
    numbers.push_back(std::stod(at->str()));
  }
  return numbers;
}

// Values lie where they belong: left to right, small ones below large ones; those outside the axes
// at their ends.
TEST(Plots, PutValuesInTheirPlaces) {
  Plot plot = plot_with("t");
  plot.add_line(std::vector<transcode::PlotPoint>{{0, 0}, {5, 1}, {10, 2}, {20, 9}}, "mouth");
  EXPECT_EQ(path_numbers(plot.svg()),
            (std::vector<double>{0, 1000, 0, 5000, 500, 10000, 0, 10000, 0}));
}

// A line and a band end where there is no value and begin again behind that.
TEST(Plots, AreInterrupted) {
  const auto begins = [](const Plot& plot) {
    const std::string svg = plot.svg();
    return std::count(svg.begin(), svg.end(), 'M');
  };
  Plot line = plot_with("t");
  line.add_line(
      std::vector<transcode::PlotPoint>{{0, 1}, {1, 1}, {2, kNone}, {3, 1}, {4, kNone}, {5, 1}},
      "mouth");
  EXPECT_EQ(begins(line), 3);
  Plot band = plot_with("t");
  band.add_band(
      std::vector<transcode::PlotSpan>{{0, 0, 1}, {1, 0, 1}, {2, kNone, kNone}, {3, 0, 1}},
      "mouth");
  EXPECT_EQ(begins(band), 2);
  Plot none = plot_with("t");
  none.add_line({}, "mouth");
  none.add_band({}, "mouth");
  EXPECT_EQ(none.svg().find("<path"), std::string::npos);
}

}  // namespace
}  // namespace latentsync::test
