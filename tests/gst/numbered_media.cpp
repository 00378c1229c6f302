#include "tests/gst/numbered_media.h"

#include "tests/gst/fake_picture.h"
#include "tests/gst/media.h"
#include "tests/gst/process.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <stdexcept>
#include <thread>

namespace latentsync::test {
namespace {

constexpr int kBits = 12;
constexpr int kCell = 8;
/// The upper rows, which no edit touches, are as high as a cell.
constexpr int kLuma = kNumberedWidth * kNumberedHeight;

void run(const std::string& line) {
  const Finished finished = run_process(line);
  if (finished.status != 0) throw std::runtime_error(line + "\n" + finished.output);
}

void make(const std::string& line) { run("gst-launch-1.0 -q " + line); }

void draw(std::vector<char>& picture, int number) {
  for (int bit = 0; bit < kBits; ++bit) {
    const char value = (number >> bit) & 1 ? static_cast<char>(200) : 40;
    for (int row = 0; row < kCell; ++row) {
      std::memset(&picture[static_cast<size_t>(row * kNumberedWidth + bit * kCell)], value, kCell);
    }
  }
}

std::map<uint64_t, int> numbers_by_hash() {
  const Picture picture{"I420", kNumberedWidth, kNumberedHeight};
  std::map<uint64_t, int> numbers;
  std::vector<char> pixels(kLuma * 3 / 2, static_cast<char>(128));
  for (int number = 0; number < 1 << kBits; ++number) {
    draw(pixels, number);
    const Ref<GstBuffer> buffer(gst_buffer_new_memdup(pixels.data(), pixels.size()));
    numbers[picture_hash_of(picture, buffer.get())] = number;
  }
  return numbers;
}

}  // namespace

NumberedMedia::NumberedMedia() = default;

std::string NumberedMedia::video_uri(const std::string& name, int first, int frames) const {
  const std::filesystem::path raw = folder_ / "raw.i420";
  std::ofstream file(raw, std::ios::binary);
  std::vector<char> picture(kLuma * 3 / 2, static_cast<char>(128));
  for (int number = first; number < first + frames; ++number) {
    draw(picture, number);
    file.write(picture.data(), static_cast<std::streamsize>(picture.size()));
  }
  file.close();
  const std::filesystem::path made = folder_ / name;
  const std::string muxer = made.extension() == ".mp4" ? "mp4mux" : "matroskamux";
  make("filesrc location=" + raw.string() + " ! rawvideoparse format=i420 width=96 height=64 " +
       "framerate=25/1 ! x264enc speed-preset=ultrafast pass=quant quantizer=0 key-int-max=10 "
       "bframes=0 ! " +
       muxer + " ! filesink location=" + made.string());
  std::filesystem::remove(raw);
  return "file://" + made.string();
}

std::string NumberedMedia::irregular_uri(const std::string& name, const std::string& uri) const {
  const std::filesystem::path made = folder_ / name;
  run("ffmpeg -v error -i " + uri +
      " -c copy -bsf:v \"setts=ts='(N+floor(N/3))*0.04/TB'\" -f matroska " + made.string());
  return "file://" + made.string();
}

std::string NumberedMedia::speech_uri(const std::string& name, int milliseconds) const {
  const std::filesystem::path raw = folder_ / "raw.s16";
  std::ofstream file(raw, std::ios::binary);
  for (int ms = 0; ms < milliseconds; ++ms) {
    const int value = kFirstSample + ms;
    const char bytes[2] = {static_cast<char>(value & 0xff), static_cast<char>(value >> 8)};
    for (int sample = 0; sample < 16; ++sample) file.write(bytes, 2);
  }
  file.close();
  const std::filesystem::path made = folder_ / name;
  make("filesrc location=" + raw.string() +
       " ! rawaudioparse format=pcm pcm-format=s16le sample-rate=16000 num-channels=1 ! wavenc ! "
       "filesink location=" +
       made.string());
  std::filesystem::remove(raw);
  return "file://" + made.string();
}

std::string NumberedMedia::shifted_speech_uri(const std::string& name, const std::string& speech,
                                              int shift_ms) const {
  const std::filesystem::path made = folder_ / name;
  const std::string before = folder_ / "uncut.mov";
  const std::string shift = std::to_string(std::abs(shift_ms)) + "ms";
  const std::string wav = speech.substr(std::string("file://").size());
  run("ffmpeg -v error -y " + (shift_ms > 0 ? "-itsoffset " + shift + " " : "") + "-i " + wav +
      " -c:a pcm_s16le " + (shift_ms > 0 ? made.string() : before));
  // Cut in the middle of a packet, so that the edit list leaves out a part of it.
  if (shift_ms < 0)
    run("ffmpeg -v error -y -ss " + shift + " -i " + before + " -c copy " + made.string());
  return "file://" + made.string();
}

std::optional<int> number_in(GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return std::nullopt;
  std::optional<int> number;
  if (map.size >= static_cast<gsize>(kLuma)) {
    int value = 0;
    bool clear = true;
    for (int bit = 0; bit < kBits; ++bit) {
      const int luma = map.data[kCell / 2 * kNumberedWidth + bit * kCell + kCell / 2];
      if (luma > 160) value |= 1 << bit;
      clear = clear && (luma > 160 || luma < 80);
    }
    if (clear) number = value;
  }
  gst_buffer_unmap(buffer, &map);
  return number;
}

void PrintTo(const SeenFrame& frame, std::ostream* out) {
  *out << frame.number << " at " << frame.pts / GST_MSECOND << " ms (" << std::hex
       << (frame.hash & 0xffff) << std::dec << ")";
}

FrameRecorder::FrameRecorder(GstPad* pad) : pad_(GST_PAD(gst_object_ref(pad))) {
  constexpr auto kWhat =
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_FLUSH);
  probe_ = gst_pad_add_probe(pad, kWhat, seen, this, nullptr);
}

FrameRecorder::~FrameRecorder() { gst_pad_remove_probe(pad_.get(), probe_); }

GstPadProbeReturn FrameRecorder::seen(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto& self = *static_cast<FrameRecorder*>(data);
  if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_FLUSH) {
    const std::lock_guard lock(self.mutex_);
    if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_FLUSH_STOP) {
      self.frames_.clear();
    }
    return GST_PAD_PROBE_OK;
  }
  GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  SeenFrame frame;
  frame.number = number_in(buffer).value_or(-1);
  frame.pts = GST_BUFFER_PTS(buffer);
  if (const Ref<GstEvent> event{gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0)}) {
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(event.get(), &segment);
    frame.stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, frame.pts);
  }
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    fake::Hash hash;
    hash.add(map.data, map.size);
    frame.hash = hash.value();
    gst_buffer_unmap(buffer, &map);
  }
  const std::lock_guard lock(self.mutex_);
  self.frames_.push_back(frame);
  return GST_PAD_PROBE_OK;
}

std::vector<SeenFrame> FrameRecorder::frames() const {
  const std::lock_guard lock(mutex_);
  return frames_;
}

std::vector<SeenFrame> FrameRecorder::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(frames_, {});
}

bool FrameRecorder::wait_frames(size_t count, std::chrono::milliseconds limit) const {
  const auto end = std::chrono::steady_clock::now() + patience(limit);
  while (std::chrono::steady_clock::now() < end) {
    if (frames().size() >= count) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

std::vector<Heard> heard() {
  static const std::map<uint64_t, int> kNumbers = numbers_by_hash();
  std::vector<Heard> result;
  const std::vector<float> all = fake::whole_audio();
  for (const fake::WindowRecord& window : fake::windows()) {
    const bool whole = window.context == AudioContext::kWhole;
    const std::vector<float>& samples = whole ? all : window.audio;
    for (size_t frame = 0; frame < window.times.size(); ++frame) {
      const auto number = kNumbers.find(window.pictures[frame]);
      Heard heard{number == kNumbers.end() ? -1 : number->second, -1, whole};
      // In the middle of a millisecond.
      const int64_t index = window.times[frame] / 62500 + 8 - (whole ? 0 : window.audio_start);
      if (index >= 0 && index < static_cast<int64_t>(samples.size())) {
        const float value = samples[static_cast<size_t>(index)] * 32768.0F;
        if (value >= kFirstSample) heard.ms = static_cast<int>(value) - kFirstSample;
      }
      result.push_back(heard);
    }
  }
  return result;
}

void expect_own_speech(int offset_ms, int first) {
  const std::vector<Heard> all = heard();
  EXPECT_FALSE(all.empty()) << "nothing was rendered";
  int wrong = 0;
  for (const Heard& one : all) {
    const int wanted = (one.number - first) * 40 - offset_ms;
    const bool right = wanted < 0 ? one.ms == -1 : std::abs(one.ms - wanted) <= 2;
    if (right || ++wrong > 5) continue;
    ADD_FAILURE() << "frame " << one.number << " heard " << one.ms << " ms, not " << wanted;
  }
  EXPECT_EQ(wrong, 0) << "of " << all.size();
}

std::vector<int> numbers_of(const std::vector<SeenFrame>& frames) {
  std::vector<int> numbers;
  for (const SeenFrame& frame : frames) numbers.push_back(frame.number);
  return numbers;
}

}  // namespace latentsync::test
