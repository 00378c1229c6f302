/* Frames and speech that a program has, lip-synced frames that it gets back: two appsrc and an
 * appsink.
 *
 *     ffmpeg -i IN.mp4 -f rawvideo -pix_fmt rgb24 - | say WIDTH HEIGHT RATE "TEXT"
 * [PROPERTY=VALUE...] >OUT.rgb
 *
 * The speech is made by espeak-ng while frames are read. Properties are the element's. */
#include <gst/app/app.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kGraph[] =
    "appsrc name=frames format=time block=true max-buffers=4 ! queue ! l.video_sink "
    "appsrc name=speech format=time block=true ! audioconvert ! audioresample ! queue ! "
    "l.audio_sink "
    "latentsync name=l ! videoconvert ! video/x-raw,format=RGB ! appsink name=out sync=false "
    "max-buffers=4";

typedef struct {
  GstAppSrc* source;
  FILE* file;
  gsize bytes;           /* of a buffer */
  gint per_buffer, rate; /* frames or samples in it, and in a second */
} Feed;

/* A thread of its own for each source: one that waits for the other would lock the graph. */
static gpointer feed(gpointer data) {
  Feed* f = data;
  guint64 position = 0;
  GstFlowReturn flow = GST_FLOW_OK;
  while (flow == GST_FLOW_OK) {
    gchar* bytes = g_malloc(f->bytes);
    const gsize read = fread(bytes, 1, f->bytes, f->file);
    const gint count = (gint)(read * f->per_buffer / f->bytes);
    if (count == 0) {
      g_free(bytes);
      break;
    }
    GstBuffer* buffer = gst_buffer_new_wrapped(bytes, read);
    GST_BUFFER_PTS(buffer) = gst_util_uint64_scale_int(position, GST_SECOND, f->rate);
    position += count;
    GST_BUFFER_DURATION(buffer) =
        gst_util_uint64_scale_int(position, GST_SECOND, f->rate) - GST_BUFFER_PTS(buffer);
    flow = gst_app_src_push_buffer(f->source, buffer); /* takes the buffer */
  }
  gst_app_src_end_of_stream(f->source);
  return NULL;
}

static GstAppSrc* source_of(GstElement* pipeline, const char* name, const char* caps_text) {
  GstAppSrc* source = GST_APP_SRC(gst_bin_get_by_name(GST_BIN(pipeline), name));
  GstCaps* caps = gst_caps_from_string(caps_text);
  gst_app_src_set_caps(source, caps);
  gst_caps_unref(caps);
  return source;
}

int main(int argc, char** argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: say WIDTH HEIGHT RATE TEXT [PROPERTY=VALUE...] <FRAMES.rgb >OUT.rgb\n");
    return 2;
  }
  gst_init(NULL, NULL);
  GError* error = NULL;
  GstElement* pipeline = gst_parse_launch(kGraph, &error);
  if (error) { /* also where a plugin is missing */
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), "l");
  for (int i = 5; i < argc; ++i) {
    gchar** pair = g_strsplit(argv[i], "=", 2);
    if (pair[0] && pair[1]) gst_util_set_object_arg(G_OBJECT(element), pair[0], pair[1]);
    g_strfreev(pair);
  }
  const gint width = atoi(argv[1]), height = atoi(argv[2]), rate = atoi(argv[3]);
  gchar* caps = g_strdup_printf("video/x-raw,format=RGB,width=%d,height=%d,framerate=%d/1", width,
                                height, rate);
  gchar* quoted = g_shell_quote(argv[4]);
  gchar* command =
      g_strdup_printf("espeak-ng --stdout -- %s | tail -c +45", quoted); /* no WAV header */
  /* rows are padded to four bytes in GStreamer: WIDTH must be a multiple of four here */
  Feed frames = {source_of(pipeline, "frames", caps), stdin, (gsize)width * height * 3, 1, rate};
  Feed speech = {source_of(pipeline, "speech",
                           "audio/x-raw,format=S16LE,layout=interleaved,rate=22050,channels=1"),
                 popen(command, "r"), 2 * 2205, 2205, 22050};
  GstAppSink* out = GST_APP_SINK(gst_bin_get_by_name(GST_BIN(pipeline), "out"));

  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GThread* threads[] = {g_thread_new("frames", feed, &frames),
                        g_thread_new("speech", feed, &speech)};
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = NULL;
  /* An error may leave the sink without an end, so the bus is looked at, too. */
  while (!message && !gst_app_sink_is_eos(out)) {
    GstSample* sample = gst_app_sink_try_pull_sample(out, GST_SECOND / 10);
    if (!sample) {
      message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
      continue;
    }
    GstMapInfo map;
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
      fwrite(map.data, 1, map.size, stdout);
      gst_buffer_unmap(buffer, &map);
    }
    gst_sample_unref(sample);
  }
  if (!message) message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  if (message) {
    gst_message_parse_error(message, &error, NULL);
    fprintf(stderr, "%s\n", error->message); /* the sentence says what to do */
    gst_message_unref(message);
  }
  /* NULL wakes the threads: their pushes return FLUSHING. */
  gst_element_set_state(pipeline, GST_STATE_NULL);
  for (int i = 0; i < 2; ++i) g_thread_join(threads[i]);
  pclose(speech.file);
  gst_object_unref(bus);
  gst_object_unref(out);
  gst_object_unref(speech.source);
  gst_object_unref(frames.source);
  gst_object_unref(element);
  gst_object_unref(pipeline);
  g_free(command);
  g_free(quoted);
  g_free(caps);
  return error ? 1 : 0;
}
