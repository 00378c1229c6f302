#include "examples/train/loss_log.h"

#include "examples/train/preview.h"
#include "examples/train/storage.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include <ATen/ops/full.h>

namespace latentsync::train {

at::Tensor chart(const Curve& curve, int64_t width, int64_t height) {
  constexpr uint8_t kColour[] = {31, 119, 180};
  constexpr int kParts = 64;  // of the way from one point to the next
  auto picture = at::full({height, width, 3}, 255, at::kByte);
  auto* pixels = picture.mutable_data_ptr<uint8_t>();
  std::vector<std::pair<double, double>> points;  // (time, logarithm)
  for (size_t i = 0; i < curve.at.size(); ++i) {
    const double value = std::log(curve.value[i]);
    if (std::isfinite(value) && std::isfinite(curve.at[i])) points.push_back({curve.at[i], value});
  }
  if (points.size() < 2) return picture;
  const auto by_value = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [begin, end] = std::minmax_element(points.begin(), points.end());
  const auto [low, high] = std::minmax_element(points.begin(), points.end(), by_value);
  const auto place = [](double value, double from, double to, int64_t count) {
    const double part = to > from ? std::clamp((value - from) / (to - from), 0.0, 1.0) : 0.5;
    return static_cast<int64_t>(part * static_cast<double>(count - 1));
  };
  for (size_t i = 1; i < points.size(); ++i) {
    const auto& [at, value] = points[i - 1];
    for (int part = 0; part < kParts; ++part) {
      const double t = static_cast<double>(part) / kParts;
      const auto x = place(std::lerp(at, points[i].first, t), begin->first, end->first, width);
      const auto y =
          height - 1 -
          place(std::lerp(value, points[i].second, t), low->second, high->second, height);
      std::copy_n(kColour, 3, pixels + (y * width + x) * 3);
    }
  }
  return picture;
}

LossLog::LossLog(std::filesystem::path folder, bool goes_on) : folder_(std::move(folder)) {
  if (!goes_on) return;
  std::ifstream former(folder_ / "losses.csv");
  std::string line;
  while (std::getline(former, line)) {
    std::istringstream cells(line);
    std::string name, at, value;
    if (std::getline(cells, name, ',') && std::getline(cells, at, ',') &&
        std::getline(cells, value)) {
      mark(name, std::atof(at.c_str()), std::atof(value.c_str()));
    }
  }
}

void LossLog::add(const std::string& name, double at, double value) {
  constexpr std::chrono::seconds kInterval(15);
  auto& mean = means_[name];
  mean.sum += value;
  ++mean.count;
  if (std::chrono::steady_clock::now() - mean.since < kInterval) return;
  const double result = mean.sum / static_cast<double>(mean.count);
  std::printf("%-14s %7.1f s  %.5f  (%lld)\n", name.c_str(), at, result,
              static_cast<long long>(mean.count));
  std::fflush(stdout);
  mark(name, at, result);
  mean = {};
}

void LossLog::mark(const std::string& name, double at, double value) {
  curves_[name].at.push_back(at);
  curves_[name].value.push_back(value);
}

void LossLog::write() const {
  std::ostringstream text;
  std::vector<at::Tensor> charts;
  for (const auto& [name, curve] : curves_) {
    for (size_t i = 0; i < curve.at.size(); ++i) {
      text << name << ',' << curve.at[i] << ',' << curve.value[i] << '\n';
    }
    charts.push_back(chart(curve, 640, 160));
  }
  write_text(folder_ / "losses.csv", text.str());
  if (!charts.empty()) write_png(folder_ / "losses.png", stacked(charts));
}

}  // namespace latentsync::train
