/* Two people in one picture, each with a speech of their own: two elements, one after the other.
 *
 *     two_people VIDEO SPEECH_LEFT SPEECH_RIGHT OUT.mkv [PROPERTY=VALUE...]
 *
 * Properties are those of both elements. */
#include <gst/gst.h>
#include <stdio.h>

/* Each takes the face that is nearest to its point. The sound of both is mixed; it leaves with the
 * picture. The second element gets frames later than the first one, so its audio waits in the
 * first queue. */
static const char kGraph[] =
    "uridecodebin name=video ! videoconvert ! queue ! left.video_sink "
    "latentsync name=left face-select=nearest face-x=0.25 ! queue ! right.video_sink "
    "latentsync name=right face-select=nearest face-x=0.75 ! queue ! videoconvert ! x264enc ! "
    "matroskamux name=file ! filesink name=out "
    "uridecodebin name=first ! audioconvert ! audioresample ! queue ! left.audio_sink "
    "uridecodebin name=second ! audioconvert ! audioresample ! queue ! right.audio_sink "
    "left.audio_src ! queue ! audioconvert ! audioresample ! mix. "
    "right.audio_src ! queue ! audioconvert ! audioresample ! mix. "
    "audiomixer name=mix ! audioconvert ! vorbisenc ! queue ! file.";

static int failed(const char* sentence) { return fprintf(stderr, "%s\n", sentence), 1; }

static void set(GstElement* pipeline, const char* name, const char* property, const char* value) {
  g_autoptr(GstElement) element = gst_bin_get_by_name(GST_BIN(pipeline), name);
  gst_util_set_object_arg(G_OBJECT(element), property, value);
}

static void print_stats(GstElement* pipeline, const char* name) {
  g_autoptr(GstElement) element = gst_bin_get_by_name(GST_BIN(pipeline), name);
  g_autoptr(GstStructure) stats = NULL;
  g_object_get(element, "stats", &stats, NULL);
  guint64 in = 0, edited = 0, passed = 0;
  gst_structure_get(stats, "frames-in", G_TYPE_UINT64, &in, "frames-edited", G_TYPE_UINT64, &edited,
                    "frames-passed", G_TYPE_UINT64, &passed, NULL);
  printf("%s frames-in %" G_GUINT64_FORMAT " frames-edited %" G_GUINT64_FORMAT
         " frames-passed %" G_GUINT64_FORMAT "\n",
         name, in, edited, passed);
}

int main(int argc, char** argv) {
  if (argc < 5)
    return failed("usage: two_people VIDEO SPEECH_LEFT SPEECH_RIGHT OUT.mkv [PROPERTY=VALUE...]"),
           2;
  gst_init(NULL, NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GstElement) pipeline = gst_parse_launch(kGraph, &error);
  if (error) return failed(error->message); /* a plugin is missing */
  const char* sources[] = {"video", "first", "second"};
  for (int i = 0; i < 3; ++i) {
    g_autofree char* uri = gst_filename_to_uri(argv[1 + i], &error);
    if (error) return failed(error->message);
    set(pipeline, sources[i], "uri", uri);
  }
  set(pipeline, "out", "location", argv[4]);
  for (int i = 5; i < argc; ++i) {
    g_auto(GStrv) pair = g_strsplit(argv[i], "=", 2);
    if (g_strv_length(pair) != 2) return failed("properties are PROPERTY=VALUE");
    set(pipeline, "left", pair[0], pair[1]);
    set(pipeline, "right", pair[0], pair[1]);
  }

  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
  g_autoptr(GstMessage) last =
      gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE(last) == GST_MESSAGE_ERROR) {
    g_autofree char* debug = NULL;
    gst_message_parse_error(last, &error, &debug);
    fprintf(stderr, "%s: %s\n%s\n", GST_MESSAGE_SRC_NAME(last), error->message, debug);
  } else {
    print_stats(pipeline, "left");
    print_stats(pipeline, "right");
  }
  gst_element_set_state(pipeline, GST_STATE_NULL); /* also after an error: it ends the threads */
  return error ? 1 : 0;
}
