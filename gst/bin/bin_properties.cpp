#include "gst/bin/speech_bin.h"
#include "gst/debug.h"
#include "gst/property_specs.h"
#include "gst/settings.h"

/// Properties: the bin's own ones, and those of the element inside, which keeps their values.
namespace latentsync {
namespace {

enum BinProperty : guint {
  kAudioUri = kLastProperty,
  kAudioOffset,
  kAudioStream,
  kAudioFilter,
  kAudioChannel,
  kOnAudioError,
};

template <typename Value>
constexpr int number(Value value) {
  return static_cast<int>(value);
}

/**
 * GstLatentsyncOnAudioError:
 * @pass-through: a warning, and frames pass through unedited
 * @silence: a warning, and the speech is silence
 * @error: an error
 *
 * What happens where the speech cannot be read.
 *
 * Since: 0.1
 */
const GEnumValue kOnAudioErrors[] = {
    {number(OnAudioError::kPassThrough), "A warning, and frames pass through unedited",
     "pass-through"},
    {number(OnAudioError::kSilence), "A warning, and the speech is silence", "silence"},
    {number(OnAudioError::kError), "An error", "error"},
    {0, nullptr, nullptr}};

GType on_audio_error_type() {
  static const GType type = [] {
    const GType made = g_enum_register_static("GstLatentsyncOnAudioError", kOnAudioErrors);
    gst_type_mark_as_plugin_api(made, static_cast<GstPluginAPIFlags>(0));
    return made;
  }();
  return type;
}

bool is_own(guint id) { return id >= kLastProperty; }

/// Takes a reference of ELEMENT, which may be floating, or null.
void set_filter(SpeechBin& bin, GstElement* element) {
  if (element && GST_OBJECT_PARENT(element)) {
    GST_WARNING_OBJECT(bin.self, "audio-filter is in another bin already: it is not used");
    return;
  }
  ElementPtr filter(element ? GST_ELEMENT(gst_object_ref_sink(element)) : nullptr);
  const std::lock_guard lock(bin.mutex);
  bin.settings.audio_filter.swap(filter);
}

void set_own(SpeechBin& bin, guint id, const GValue* value) {
  SpeechSettings& settings = bin.settings;
  switch (id) {
    case kAudioUri: {
      const char* text = g_value_get_string(value);
      const std::lock_guard lock(bin.mutex);
      settings.audio_uri = text ? text : "";
      break;
    }
    case kAudioChannel: {
      const char* text = g_value_get_string(value);
      const std::lock_guard lock(bin.mutex);
      settings.audio_channel = text ? text : "";
      break;
    }
    case kAudioOffset: {
      {
        const std::lock_guard lock(bin.mutex);
        settings.audio_offset = g_value_get_int64(value);
      }
      bin.feed.set_offset(g_value_get_int64(value));
      bin.channel.set_offset(g_value_get_int64(value));
      break;
    }
    case kAudioStream: {
      const std::lock_guard lock(bin.mutex);
      settings.audio_stream = g_value_get_int(value);
      break;
    }
    case kAudioFilter:
      set_filter(bin, GST_ELEMENT(g_value_get_object(value)));
      break;
    default: {
      const std::lock_guard lock(bin.mutex);
      settings.on_audio_error = static_cast<OnAudioError>(g_value_get_enum(value));
    }
  }
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  SpeechBin& bin = speech_bin_of(object);
  if (is_own(id)) {
    if (!(spec->flags & GST_PARAM_MUTABLE_PLAYING) && GST_STATE(object) > GST_STATE_READY) {
      GST_WARNING_OBJECT(object, "%s takes effect at the next start", spec->name);
    }
    set_own(bin, id, value);
    return;
  }
  if (id == kSilence) {
    const std::lock_guard lock(bin.mutex);
    if (bin.own_silence) {
      bin.own_silence = g_value_get_enum(value);
      return;
    }
  }
  g_object_set_property(G_OBJECT(bin.element), spec->name, value);
}

/// Null where it is empty.
void set_text(GValue* value, const std::string& text) {
  g_value_set_string(value, text.empty() ? nullptr : text.c_str());
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  SpeechBin& bin = speech_bin_of(object);
  const SpeechSettings& settings = bin.settings;
  std::unique_lock lock(bin.mutex);
  switch (id) {
    case kAudioUri:
      set_text(value, settings.audio_uri);
      break;
    case kAudioChannel:
      set_text(value, settings.audio_channel);
      break;
    case kAudioOffset:
      g_value_set_int64(value, settings.audio_offset);
      break;
    case kAudioStream:
      g_value_set_int(value, settings.audio_stream);
      break;
    case kAudioFilter:
      g_value_set_object(value, settings.audio_filter.get());
      break;
    case kOnAudioError:
      g_value_set_enum(value, number(settings.on_audio_error));
      break;
    default:
      if (id == kSilence && bin.own_silence) {
        g_value_set_enum(value, *bin.own_silence);
        break;
      }
      lock.unlock();
      g_object_get_property(G_OBJECT(bin.element), spec->name, value);
  }
}

constexpr auto kWhenReady =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto kWhenPlaying = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                       GST_PARAM_MUTABLE_PLAYING);

void install_source_properties(GObjectClass* klass) {
  /**
   * GstLatentsyncBin:audio-uri:
   *
   * Where the speech is read from: a file, or whatever else has a URI. Of one that has video, too,
   * the sound is taken. %NULL, the default: none.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kAudioUri,
      g_param_spec_string("audio-uri", "Audio URI", "Where the speech is read from; null: none",
                          nullptr, kWhenReady));
  /**
   * GstLatentsyncBin:audio-channel:
   *
   * The channel of the interaudiosink that brings the speech, live, from another pipeline of this
   * process. Not together with #GstLatentsyncBin:audio-uri. %NULL, the default: none.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kAudioChannel,
      g_param_spec_string("audio-channel", "Audio channel",
                          "The channel of the interaudiosink that brings the speech, in place of "
                          "audio-uri; null: none",
                          nullptr, kWhenReady));
  /**
   * GstLatentsyncBin:audio-offset:
   *
   * How much later the speech comes than in its file, in nanoseconds: at the stream time t of the
   * video it is that of t - audio-offset.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kAudioOffset,
      g_param_spec_int64("audio-offset", "Audio offset",
                         "How much later the speech comes than in its file, in nanoseconds; "
                         "negative: earlier",
                         -G_MAXINT64 / 4, G_MAXINT64 / 4, 0, kWhenPlaying));
  /**
   * GstLatentsyncBin:audio-stream:
   *
   * Which of the audio streams of #GstLatentsyncBin:audio-uri is the speech, from 0 on. -1: the
   * first one.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kAudioStream,
      g_param_spec_int("audio-stream", "Audio stream",
                       "Which of the audio streams of audio-uri is the speech, from 0 on; -1: the "
                       "first one",
                       -1, G_MAXINT, -1, kWhenReady));
}

}  // namespace

void install_bin_properties(GObjectClass* klass) {
  klass->set_property = set_property;
  klass->get_property = get_property;
  install_property_specs(klass);
  install_source_properties(klass);
  /**
   * GstLatentsyncBin:audio-filter:
   *
   * What the speech of #GstLatentsyncBin:audio-uri goes through before the model gets it; an
   * element with one sink and one source pad, that is in no other bin.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kAudioFilter,
      g_param_spec_object("audio-filter", "Audio filter",
                          "What the speech of audio-uri goes through before the model gets it",
                          GST_TYPE_ELEMENT, kWhenReady));
  /**
   * GstLatentsyncBin:on-audio-error:
   *
   * What happens where the speech cannot be read.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, kOnAudioError,
      g_param_spec_enum("on-audio-error", "On audio error",
                        "What happens where the speech cannot be read", on_audio_error_type(),
                        number(OnAudioError::kPassThrough), kWhenPlaying));
}

void pass_frames(SpeechBin& bin, bool on) {
  const std::lock_guard lock(bin.mutex);
  if (on == bin.own_silence.has_value()) return;
  int silence = number(Silence::kPassThrough);
  if (on) {
    gint own = 0;
    g_object_get(bin.element, "silence", &own, nullptr);
    bin.own_silence = own;
  } else {
    silence = *bin.own_silence;
    bin.own_silence.reset();
  }
  g_object_set(bin.element, "silence", silence, nullptr);
}

}  // namespace latentsync
