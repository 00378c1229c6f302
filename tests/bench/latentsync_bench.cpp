// Times the stages of the model and writes JSON to standard output; --help has the options.

#include "core/memory/account.h"
#include "tests/bench/device_profile.h"
#include "tests/bench/stages.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <getopt.h>
#include <iostream>
#include <malloc.h>
#include <memory>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <nlohmann/json.hpp>
#include <torch/version.h>

namespace latentsync::bench {
namespace {

constexpr const char* kUsage = R"(usage: latentsync-bench [options]      (JSON to standard output)

  --stage REGEX      which stages (all of the name); --list prints the names
  --size demo|real   networks of the demo model's or of the published checkpoints' size (demo)
  --frames N         frames in a window (demo 16, real 4)
  --edge N           the face crop in pixels, a multiple of 64 (256)
  --dtype TYPE       float32, bfloat16, float16 (float32)
  --device DEVICE    cpu, cuda, cuda:N (cpu)
  --unpacked         weights are not laid out for the CPU: layers run, and need memory, as on a GPU
  --threads N        CPU threads (all cores)
  --repeat N         timed runs of a stage, at most (5)
  --seconds S        no further run of a stage once it has taken that long (60)
  --profile          one more run under LibTorch's profiler: "profile" has the kernels, with the longest first
  --serve            the first stage alone: prints "ready", then for every line "run" on standard input the seconds of
                     one run, for "memory" the peak in MiB; ends with the input
)";

struct Options {
  StageOptions stage;
  std::string pattern = ".*";
  int64_t repeat = 5;
  double seconds = 60;
  bool profile = false;
  bool serve = false;
  bool list = false;
};

c10::ScalarType parse_dtype(const std::string& name) {
  if (name == "float32") return c10::kFloat;
  if (name == "bfloat16") return c10::kBFloat16;
  if (name == "float16") return c10::kHalf;
  throw std::invalid_argument("--dtype: float32, bfloat16 or float16, not " + name);
}

const char* dtype_name(c10::ScalarType dtype) {
  return dtype == c10::kFloat ? "float32" : dtype == c10::kBFloat16 ? "bfloat16" : "float16";
}

int64_t parse_count(const char* option, const std::string& text) {
  size_t end = 0;
  const int64_t value = std::stoll(text, &end);
  if (end != text.size() || value < 1)
    throw std::invalid_argument(std::string(option) + ": a positive number");
  return value;
}

Options parse(int argc, char** argv) {
  const option table[] = {{"stage", required_argument, nullptr, 's'},
                          {"size", required_argument, nullptr, 'z'},
                          {"frames", required_argument, nullptr, 'f'},
                          {"edge", required_argument, nullptr, 'e'},
                          {"dtype", required_argument, nullptr, 't'},
                          {"device", required_argument, nullptr, 'd'},
                          {"unpacked", no_argument, nullptr, 'u'},
                          {"threads", required_argument, nullptr, 'n'},
                          {"repeat", required_argument, nullptr, 'r'},
                          {"seconds", required_argument, nullptr, 'l'},
                          {"serve", no_argument, nullptr, 'v'},
                          {"list", no_argument, nullptr, 'i'},
                          {"profile", no_argument, nullptr, 'p'},
                          {"help", no_argument, nullptr, 'h'},
                          {nullptr, 0, nullptr, 0}};
  Options options;
  std::optional<int64_t> frames;
  std::optional<int64_t> edge;
  for (int key = 0; (key = getopt_long(argc, argv, "h", table, nullptr)) != -1;) {
    const std::string value = optarg != nullptr ? optarg : "";
    switch (key) {
      case 's':
        options.pattern = value;
        break;
      case 'z':
        if (value != "demo" && value != "real")
          throw std::invalid_argument("--size: demo or real, not " + value);
        options.stage.real = value == "real";
        break;
      case 'f':
        frames = parse_count("--frames", value);
        break;
      case 'e':
        edge = parse_count("--edge", value);
        break;
      case 't':
        options.stage.dtype = parse_dtype(value);
        break;
      case 'd':
        options.stage.device = c10::Device(value);
        break;
      case 'u':
        options.stage.packed = false;
        break;
      case 'n':
        at::set_num_threads(static_cast<int>(parse_count("--threads", value)));
        break;
      case 'r':
        options.repeat = parse_count("--repeat", value);
        break;
      case 'l':
        options.seconds = std::stod(value);
        break;
      case 'p':
        options.profile = true;
        break;
      case 'v':
        options.serve = true;
        break;
      case 'i':
        options.list = true;
        break;
      case 'h':
        std::cout << kUsage;
        std::exit(0);
      default:
        std::cerr << kUsage;
        std::exit(2);
    }
  }
  options.stage.frames = frames.value_or(options.stage.real ? 4 : 16);
  options.stage.edge = edge.value_or(options.stage.edge);
  if (options.stage.edge % 64 != 0) throw std::invalid_argument("--edge: a multiple of 64");
  if (options.stage.device.is_cuda() && !options.stage.device.has_index())
    options.stage.device.set_index(0);
  return options;
}

// Peaks of what this process, and its allocations on the device, held since reset_peaks().
void reset_peaks(c10::Device device) {
  malloc_trim(0);
  // 5 sets VmHWM back to the present size (proc(5)); where it is refused, peaks are those of the
  // whole run.
  std::ofstream("/proc/self/clear_refs") << "5";
  if (!device.is_cpu()) {
    auto* allocator = at::getDeviceAllocator(device.type());
    allocator->emptyCache();
    allocator->resetPeakStats(device.index());
  }
}

int64_t peak_memory_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) / 1024;
  }
  return 0;
}

auto allocated_on(c10::Device device) {
  return at::getDeviceAllocator(device.type())->getDeviceStats(device.index()).allocated_bytes[0];
}

int64_t peak_device_memory_mib(c10::Device device) {
  return device.is_cpu() ? 0 : allocated_on(device).peak >> 20;
}

// Of tensors: what exists, and the most that existed; on a CPU of those that the account's thread
// allocates.
struct TensorBytes {
  int64_t live = 0, peak = 0;
};

TensorBytes tensor_bytes(c10::Device device, const memory::Account& account) {
  if (device.is_cpu()) return {account.live(), account.peak()};
  const auto stat = allocated_on(device);
  return {stat.current, stat.peak};
}

double timed_run(const Stage& stage, c10::Device device) {
  const c10::InferenceMode inference;
  const auto start = std::chrono::steady_clock::now();
  stage.run();
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

nlohmann::ordered_json measure(const StageMaker& maker, const Options& options) {
  const auto& device = options.stage.device;
  const auto account = std::make_shared<memory::Account>();
  const memory::AccountScope scope(account);
  reset_peaks(device);
  const Stage stage = maker.make(options.stage);
  account->reset_peak();
  const auto before = tensor_bytes(device, *account);
  const double first =
      timed_run(stage, device);  // warms up: threads, kernels' choices, allocations
  const auto during = tensor_bytes(device, *account);
  std::vector<double> seconds;
  double total = first;
  while (static_cast<int64_t>(seconds.size()) < options.repeat &&
         (seconds.empty() || total < options.seconds)) {
    seconds.push_back(timed_run(stage, device));
    total += seconds.back();
  }
  nlohmann::ordered_json result = {
      {"stage", maker.name},
      {"what", maker.what},
      {"parameters", stage.parameters},
      {"runs", seconds.size()},
      {"first_s", first},
      {"median_s", median(seconds)},
      {"min_s", *std::min_element(seconds.begin(), seconds.end())},
      {"max_s", *std::max_element(seconds.begin(), seconds.end())},
      {"activations_mib", static_cast<double>(during.peak - before.live) / (1 << 20)},
      {"peak_memory_mib", peak_memory_mib()},
      {"peak_device_memory_mib", peak_device_memory_mib(device)}};
  if (stage.flops > 0) result["flops"] = stage.flops;
  if (options.profile)
    result["profile"] = device_profile(device, [&] { timed_run(stage, device); });
  return result;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

nlohmann::ordered_json context(const Options& options) {
  return {{"size", options.stage.real ? "real" : "demo"},
          {"frames", options.stage.frames},
          {"edge", options.stage.edge},
          {"device", options.stage.device.str()},
          {"dtype", dtype_name(options.stage.dtype)},
          {"packed", options.stage.packed},
          {"threads", at::get_num_threads()},
          {"cpu", cpu_name()},
          {"cpu_capability", at::get_cpu_capability()},
          {"libtorch", TORCH_VERSION}};
}

void serve(const StageMaker& maker, const Options& options) {
  reset_peaks(options.stage.device);
  const Stage stage = maker.make(options.stage);
  timed_run(stage, options.stage.device);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "run") std::cout << timed_run(stage, options.stage.device) << std::endl;
    if (line == "memory") {
      std::cout << (options.stage.device.is_cpu() ? peak_memory_mib()
                                                  : peak_device_memory_mib(options.stage.device))
                << std::endl;
    }
  }
}

int run(const Options& options) {
  std::vector<StageMaker> selected;
  for (const auto& maker : stages()) {
    if (std::regex_match(maker.name, std::regex(options.pattern))) selected.push_back(maker);
  }
  if (options.list) {
    for (const auto& maker : selected) std::cout << maker.name << "\t" << maker.what << "\n";
    return 0;
  }
  if (selected.empty()) throw std::invalid_argument("--stage: no stage is called that, see --list");
  // Equal arithmetic everywhere: no TensorFloat-32 in float32.
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  // Its allocator has no statistics to reset before that.
  if (!options.stage.device.is_cpu())
    at::globalContext().lazyInitDevice(options.stage.device.type());
  if (options.serve) {
    serve(selected.front(), options);
    return 0;
  }
  nlohmann::ordered_json report = {{"context", context(options)},
                                   {"results", nlohmann::ordered_json::array()}};
  for (const auto& maker : selected) {
    std::cerr << maker.name << " ..." << std::flush;
    report["results"].push_back(measure(maker, options));
    std::cerr << " " << report["results"].back()["median_s"] << " s\n";
  }
  std::cout << report.dump(2) << "\n";
  return 0;
}

}  // namespace
}  // namespace latentsync::bench

int main(int argc, char** argv) {
  try {
    return latentsync::bench::run(latentsync::bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "latentsync-bench: " << error.what() << "\n";
    return 1;
  }
}
