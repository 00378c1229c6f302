#include "examples/transcode/svg.h"

#include "examples/transcode/markup.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace latentsync::transcode {
namespace {

/// Of the coordinates that shapes are drawn in, whatever the plot's size: whole numbers are exact
/// enough for any screen, and short.
constexpr double kWidth = 10000;
constexpr double kHeight = 1000;
/// Pixels above the data, for half of the label of the highest line, and below it, for marks along
/// x.
constexpr int kAbove = 8;
constexpr int kBelow = 20;

constexpr std::array kTimeSteps = {0.1, 0.2,  0.5,  1.,   2.,   5.,    10.,   15.,   30.,
                                   60., 120., 300., 600., 900., 1800., 3600., 7200., 18000.};

double part_of(double value, double least, double most) {
  const double part = most > least ? (value - least) / (most - least) : 0;
  return std::clamp(std::isfinite(part) ? part : 0, 0., 1.);
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below STEP.
double round_step(double step) {
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1., 2., 5.}) {
    if (factor * power >= step * (1 - 1e-9)) {
      return factor * power;
    }
  }
  return 10 * power;
}

std::string percent(double part) { return short_number(100 * part, 3) + "%"; }

}  // namespace

std::vector<Tick> value_ticks(double least, double most, int most_ticks, const std::string& unit) {
  if (!(most > least) || most_ticks < 2) {
    return {{least, short_number(least, 3) + unit}};
  }
  for (double step = round_step((most - least) / most_ticks);; step = round_step(step * 1.5)) {
    const double first = std::ceil(least / step - 1e-9);
    const double last = std::floor(most / step + 1e-9);
    if (last - first + 1 > most_ticks) {
      continue;
    }
    const int decimals = std::max(0, int(-std::floor(std::log10(step))));
    std::vector<Tick> ticks;
    for (double number = first; number <= last; ++number) {
      ticks.push_back({number * step, short_number(number * step, decimals) + unit});
    }
    return ticks.empty() ? std::vector<Tick>{{least, short_number(least, 3) + unit}} : ticks;
  }
}

std::vector<Tick> time_ticks(double seconds, int most_ticks) {
  double step = kTimeSteps.back();
  for (const double candidate : kTimeSteps) {
    if (std::floor(seconds / candidate + 1e-9) + 1 <= most_ticks) {
      step = candidate;
      break;
    }
  }
  while (std::floor(seconds / step) + 1 > most_ticks) {
    step *= 2;
  }
  std::vector<Tick> ticks;
  for (int number = 0; number * step <= seconds + 1e-9; ++number) {
    ticks.push_back({number * step, clock_time(number * step, step)});
  }
  return ticks;
}

std::string clock_time(double seconds, double step) {
  const auto tenths = static_cast<long long>(std::llround(10 * std::max(seconds, 0.)));
  const long long whole = step < 1 ? tenths / 10 : std::llround(std::max(seconds, 0.));
  std::array<char, 64> text{};
  const int length = whole >= 3600 ? std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld",
                                                   whole / 3600, whole / 60 % 60, whole % 60)
                                   : std::snprintf(text.data(), text.size(), "%lld:%02lld",
                                                   whole / 60, whole % 60);
  const std::string clock(text.data(), size_t(length));
  return step < 1 ? clock + "." + std::to_string(tenths % 10) : clock;
}

Plot::Plot(PlotLabel label, double x_most, double y_least, double y_most, int height)
    : label_(std::move(label)),
      x_most_(x_most),
      y_least_(y_least),
      y_most_(y_most),
      height_(height) {}

std::string Plot::x_of(double x) const { return short_number(kWidth * part_of(x, 0, x_most_), 0); }

std::string Plot::y_of(double y) const {
  return short_number(kHeight * (1 - part_of(y, y_least_, y_most_)), 0);
}

double Plot::pixel_of(double y) const {
  return kAbove + height_ * (1 - part_of(y, y_least_, y_most_));
}

void Plot::add_y_ticks(std::span<const Tick> ticks) {
  for (const Tick& tick : ticks) {
    const std::string y = short_number(pixel_of(tick.value), 1);
    lines_ += "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"" + y + "\" y2=\"" + y + "\"/>";
    texts_ += "<text x=\"-6\" y=\"" + short_number(pixel_of(tick.value) + 4, 1) +
              "\" text-anchor=\"end\">" + escaped(tick.label) + "</text>";
  }
}

void Plot::add_x_ticks(std::span<const Tick> ticks) {
  const int bottom = kAbove + height_;
  for (const Tick& tick : ticks) {
    const double part = part_of(tick.value, 0, x_most_);
    const std::string x = percent(part);
    // At the right end a label that is centred would be cut off.
    const char* anchor = part > 0.98 ? "end" : "middle";
    lines_ += "<line class=\"mark\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" +
              std::to_string(bottom) + "\" y2=\"" + std::to_string(bottom + 4) + "\"/>";
    texts_ += "<text x=\"" + x + "\" y=\"" + std::to_string(bottom + 16) + "\" text-anchor=\"" +
              anchor + "\">" + escaped(tick.label) + "</text>";
  }
}

void Plot::add_line(std::span<const PlotPoint> points, const std::string& kind) {
  std::string path;
  bool begins = true;
  for (const PlotPoint& point : points) {
    if (std::isnan(point.y)) {
      begins = true;
      continue;
    }
    path += (begins ? "M" : "L") + x_of(point.x) + " " + y_of(point.y);
    // A point between two gaps has no length, but a round end.
    path += begins ? "h0" : "";
    begins = false;
  }
  if (!path.empty()) {
    shapes_ += "<path class=\"line " + escaped(kind) + "\" d=\"" + path + "\"/>";
  }
}

void Plot::add_band(std::span<const PlotSpan> spans, const std::string& kind) {
  std::string path;
  for (size_t begin = 0; begin < spans.size();) {
    size_t end = begin;
    while (end < spans.size() && !std::isnan(spans[end].least)) {
      ++end;
    }
    for (size_t at = begin; at < end; ++at) {
      path += (at == begin ? "M" : "L") + x_of(spans[at].x) + " " + y_of(spans[at].most);
    }
    for (size_t at = end; at > begin; --at) {
      path += "L" + x_of(spans[at - 1].x) + " " + y_of(spans[at - 1].least);
    }
    path += end > begin ? "Z" : "";
    begin = end + 1;
  }
  if (!path.empty()) {
    shapes_ += "<path class=\"band " + escaped(kind) + "\" d=\"" + path + "\"/>";
  }
}

void Plot::add_box(const PlotBox& box, const std::string& kind, const std::string& tip) {
  const double left = kWidth * part_of(box.left, 0, x_most_);
  const double right = kWidth * part_of(box.right, 0, x_most_);
  const double top = kHeight * (1 - part_of(box.top, y_least_, y_most_));
  const double bottom = kHeight * (1 - part_of(box.bottom, y_least_, y_most_));
  shapes_ += "<rect class=\"" + escaped(kind) + "\" x=\"" + short_number(left, 1) + "\" y=\"" +
             short_number(top, 1) + "\" width=\"" + short_number(right - left, 1) + "\" height=\"" +
             short_number(bottom - top, 1) + "\"";
  shapes_ += tip.empty() ? "/>" : "><title>" + escaped(tip) + "</title></rect>";
}

std::string Plot::svg() const {
  const std::string id = escaped(label_.id);
  return "<svg class=\"plot\" id=\"" + id + "\" role=\"img\" aria-labelledby=\"" + id + "-title " +
         id + "-description\" width=\"100%\" height=\"" +
         std::to_string(kAbove + height_ + kBelow) + "\">\n<title id=\"" + id + "-title\">" +
         escaped(label_.title) + "</title>\n<desc id=\"" + id + "-description\">" +
         escaped(label_.description) + "</desc>\n" + lines_ + "\n<svg x=\"0\" y=\"" +
         std::to_string(kAbove) + "\" width=\"100%\" height=\"" + std::to_string(height_) +
         "\" viewBox=\"0 0 " + short_number(kWidth, 0) + " " + short_number(kHeight, 0) +
         "\" preserveAspectRatio=\"none\">" + shapes_ + "</svg>\n" + texts_ + "\n</svg>\n";
}

}  // namespace latentsync::transcode
