#pragma once

#include "gst/bin/channel_feed.h"
#include "gst/bin/latentsyncbin.h"
#include "gst/bin/speech_feed.h"
#include "gst/handles.h"

#include <mutex>
#include <optional>
#include <string>

/// The bin above its rooms: which way frames take, and where the speech comes from.
namespace latentsync {

/// Who brings the speech.
enum class SpeechSource { kNone, kUri, kChannel, kPad };

enum class OnAudioError { kPassThrough, kSilence, kError };

struct SpeechSettings {
  std::string audio_uri;      ///< empty: none
  std::string audio_channel;  ///< likewise
  int64_t audio_offset = 0;
  int audio_stream = -1;
  ElementPtr audio_filter;
  OnAudioError on_audio_error = OnAudioError::kPassThrough;
};

struct SpeechBin {
  explicit SpeechBin(GstBin* owner) : self(owner) {}

  GstBin* const self;
  GstElement* element = nullptr;  ///< the latentsync inside, as long as `kept`
  ElementPtr kept;                ///< longer than a bin keeps its children
  GstElement* bypass =
      nullptr;  ///< what frames go through where there is no speech; null otherwise
  GstPad* sink = nullptr;
  GstPad* src = nullptr;
  SpeechFeed feed;
  ChannelFeed channel;
  GstSegment segment = {};  ///< of the video's streaming thread

  std::mutex mutex;  ///< guards what follows
  SpeechSettings settings;
  GstPad* audio_sink = nullptr;    ///< the application's; null where it was not requested
  std::optional<int> own_silence;  ///< the property, while the speech is missing
  SpeechSource source = SpeechSource::kNone;  ///< while it runs
};

}  // namespace latentsync

struct _GstLatentsyncBin {
  GstBin parent;
  latentsync::SpeechBin* bin;
};

namespace latentsync {

inline SpeechBin& speech_bin_of(gpointer object) { return *GST_LATENTSYNC_BIN(object)->bin; }

// bin_properties.cpp
void install_bin_properties(GObjectClass* klass);
/// The speech is missing, or not any more: frames pass unedited meanwhile.
void pass_frames(SpeechBin& bin, bool on);

// bin_presets.cpp
/// The presets are those of the element inside.
void init_bin_presets(GstPresetInterface* interface);

// bin_pads.cpp
/// Makes both pads.
void add_bin_pads(SpeechBin& bin);
/// From which of the feeds the element gets the speech, where no pad of the application is.
void link_feed(SpeechBin& bin, SpeechSource source);
/// By the element, or past it.
void route_frames(SpeechBin& bin, bool edited);
GstPad* request_audio_sink(SpeechBin& bin, GstPadTemplate* pad_template);
void release_audio_sink(SpeechBin& bin, GstPad* pad);

}  // namespace latentsync
