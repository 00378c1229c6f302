#include "examples/transcode/transport_stream.h"

#include <algorithm>
#include <fstream>
#include <span>
#include <vector>

namespace latentsync::transcode {
namespace {

using Bytes = std::span<const guint8>;

// ISO/IEC 13818-1.
constexpr size_t kPacket = 188;
constexpr guint8 kSync = 0x47;
constexpr size_t kLookedAt = 8 << 20;
constexpr gint64 kTicks = 90000;           ///< a second
constexpr gint64 kWrap = gint64(1) << 33;  ///< of timestamps

struct FirstTimes {
  std::optional<gint64> video;
  std::optional<gint64> audio;
};

bool is_video(guint8 stream) { return stream >= 0xe0 && stream <= 0xef; }
/// 0xbd: AC-3 and others.
bool is_audio(guint8 stream) { return (stream >= 0xc0 && stream <= 0xdf) || stream == 0xbd; }

/// The payload of a packet that begins a PES packet; else empty.
Bytes beginning(Bytes packet) {
  const bool begins = (packet[1] & 0x40) != 0;
  const bool has_payload = (packet[3] & 0x10) != 0;
  const bool has_field = (packet[3] & 0x20) != 0;
  const size_t at = 4 + (has_field ? size_t(packet[4]) + 1 : 0);
  return begins && has_payload && at < packet.size() ? packet.subspan(at) : Bytes();
}

void look_at(Bytes pes, FirstTimes& found) {
  const bool has_time = pes.size() >= 14 && pes[0] == 0 && pes[1] == 0 && pes[2] == 1 &&
                        (pes[6] & 0xc0) == 0x80 && (pes[7] & 0x80) != 0;
  if (!has_time) {
    return;
  }
  const gint64 time = gint64(pes[9] & 0x0e) << 29 | gint64(pes[10]) << 22 |
                      gint64(pes[11] & 0xfe) << 14 | gint64(pes[12]) << 7 | gint64(pes[13]) >> 1;
  if (is_video(pes[3]) && !found.video) {
    found.video = time;
  } else if (is_audio(pes[3]) && !found.audio) {
    found.audio = time;
  }
}

/// Bytes between two packets, 188 or, with a time code before each, 192; 0: no transport stream.
size_t stride(Bytes bytes, size_t& first) {
  for (const size_t step : {kPacket, kPacket + 4}) {
    first = step - kPacket;
    bool fits = bytes.size() > first + 4 * step;
    for (size_t packet = 0; fits && packet < 4; ++packet) {
      fits = bytes[first + packet * step] == kSync;
    }
    if (fits) {
      return step;
    }
  }
  return 0;
}

}  // namespace

std::optional<GstClockTimeDiff> video_delay_of_transport_stream(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<guint8> content(kLookedAt);
  stream.read(reinterpret_cast<char*>(content.data()), std::streamsize(content.size()));
  content.resize(size_t(std::max<std::streamsize>(stream.gcount(), 0)));
  const Bytes bytes(content);
  size_t at = 0;
  const size_t step = stride(bytes, at);
  FirstTimes found;
  for (; step > 0 && at + kPacket <= bytes.size() && !(found.video && found.audio); at += step) {
    if (bytes[at] == kSync) {
      look_at(beginning(bytes.subspan(at, kPacket)), found);
    }
  }
  if (!found.video || !found.audio) {
    return {};
  }
  gint64 delay = *found.video - *found.audio;
  delay += delay > kWrap / 2 ? -kWrap : delay < -kWrap / 2 ? kWrap : 0;
  return delay * GST_SECOND / kTicks;
}

}  // namespace latentsync::transcode
