#pragma once

#include <span>
#include <string>
#include <vector>

/// Small plots as SVG inside a page. A plot is as wide as its place: positions along x are parts of
/// its width, so that lines and boxes stretch and text does not. Labels along y lie to the left of
/// it, where the page's style leaves room. Colours are classes of that style.
namespace latentsync::transcode {

struct Tick {
  double value = 0;
  std::string label;
};

/// Round numbers (steps of 1, 2 or 5 times a power of ten) in [LEAST, MOST], at most MOST_TICKS of
/// them, at least one. UNIT is added to the labels.
std::vector<Tick> value_ticks(double least, double most, int most_ticks,
                              const std::string& unit = "");

/// Round times from 0 to SECONDS, at most MOST_TICKS of them: "0.5 s", "1:30", "2:00:00".
std::vector<Tick> time_ticks(double seconds, int most_ticks);

/// SECONDS as a clock shows them: "0:07", "1:02:03"; with tenths where STEP, the distance of the
/// times that are told apart, is less than a second.
std::string clock_time(double seconds, double step = 1);

/// What a plot is for people who do not see it. ID: of the element, unique in the page.
struct PlotLabel {
  std::string id;
  std::string title;
  std::string description;
};

struct PlotPoint {
  double x = 0;
  double y = 0;  ///< NaN: a line is interrupted here
};

/// Values from LEAST to MOST at x.
struct PlotSpan {
  double x = 0;
  double least = 0;  ///< NaN: a band is interrupted here
  double most = 0;
};

struct PlotBox {
  double left = 0;
  double right = 0;
  double bottom = 0;
  double top = 0;
};

/// What is drawn later lies above. Values outside the axes are drawn at their ends.
class Plot {
 public:
  /// x from 0 to X_MOST, y from Y_LEAST to Y_MOST, HEIGHT pixels for y.
  Plot(PlotLabel label, double x_most, double y_least, double y_most, int height);

  /// Lines across, each with its label; along x, marks below.
  void add_y_ticks(std::span<const Tick> ticks);
  void add_x_ticks(std::span<const Tick> ticks);
  /// KIND: the class of the style.
  void add_line(std::span<const PlotPoint> points, const std::string& kind);
  void add_band(std::span<const PlotSpan> spans, const std::string& kind);
  /// TIP is shown where a pointer rests on the box; empty: none.
  void add_box(const PlotBox& box, const std::string& kind, const std::string& tip = "");

  std::string svg() const;

 private:
  std::string x_of(double x) const;
  std::string y_of(double y) const;
  double pixel_of(double y) const;

  PlotLabel label_;
  double x_most_;
  double y_least_;
  double y_most_;
  int height_;
  std::string lines_;   ///< across, below the data
  std::string shapes_;  ///< in units of kWidth and kHeight (svg.cpp)
  std::string texts_;
};

}  // namespace latentsync::transcode
