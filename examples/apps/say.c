/* Frames and speech that a program has, and lip-synced frames that it gets back, by appsrc and
 * appsink. Properties are the element's. WIDTH is a multiple of four, to which rows are padded.
 *
 *     ffmpeg -i IN.mp4 -f rawvideo -pix_fmt rgb24 - |
 *       say WIDTH HEIGHT RATE TEXT [PROPERTY=VALUE...] >OUT.rgb */
#include <gst/app/app.h>
#include <stdio.h>
#include <stdlib.h>

static const char kGraph[] =
    "appsrc name=frames format=time block=true max-buffers=4 caps=video/x-raw,format=RGB,"
    "width=%s,height=%s,framerate=%s/1 ! queue ! l.video_sink  appsrc name=speech format=time "
    "block=true caps=audio/x-raw,format=S16LE,layout=interleaved,rate=22050,channels=1 ! queue ! "
    "l.audio_sink  latentsync name=l %s ! videoconvert ! video/x-raw,format=RGB ! "
    "appsink name=out sync=false max-buffers=4";

typedef struct {
  GstElement* source;
  FILE* file;
  gsize unit, count; /* bytes of a frame or a sample, and how many are in a buffer */
  gint rate;         /* of them in a second */
} Feed;

/* A thread for each source: one that waits for the other would lock the graph. */
static gpointer feed(gpointer data) {
  const Feed* f = data;
  for (guint64 at = 0;;) {
    guint8* bytes = g_malloc(f->unit * f->count);
    const gsize read = fread(bytes, f->unit, f->count, f->file);
    g_autoptr(GstBuffer) buffer = gst_buffer_new_wrapped(bytes, read * f->unit);
    if (read == 0) break;
    GST_BUFFER_PTS(buffer) = gst_util_uint64_scale_int(at, GST_SECOND, f->rate);
    at += read;
    if (gst_app_src_push_buffer(GST_APP_SRC(f->source), g_steal_pointer(&buffer)) != GST_FLOW_OK)
      break; /* the pipeline ends */
  }
  gst_app_src_end_of_stream(GST_APP_SRC(f->source));
  gst_object_unref(f->source);
  return NULL;
}

/* In a thread of the graph, which waits while the frame is written. */
static GstFlowReturn write_frame(GstAppSink* sink, gpointer data G_GNUC_UNUSED) {
  g_autoptr(GstSample) sample = gst_app_sink_pull_sample(sink);
  GstMapInfo map;
  if (!sample || !gst_buffer_map(gst_sample_get_buffer(sample), &map, GST_MAP_READ))
    return GST_FLOW_ERROR;
  const gboolean written = fwrite(map.data, 1, map.size, stdout) == map.size && !fflush(stdout);
  gst_buffer_unmap(gst_sample_get_buffer(sample), &map);
  if (!written) GST_ELEMENT_ERROR(sink, RESOURCE, WRITE, ("OUT.rgb cannot be written"), (NULL));
  return written ? GST_FLOW_OK : GST_FLOW_ERROR;
}

static int failed(const char* sentence) { return fprintf(stderr, "%s\n", sentence), 1; }

int main(int argc, char** argv) {
  if (argc < 5) return failed("usage: say WIDTH HEIGHT RATE TEXT [PROPERTY=VALUE...]"), 2;
  gst_init(NULL, NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char* properties = g_strjoinv(" ", argv + 5);
  g_autofree char* graph = g_strdup_printf(kGraph, argv[1], argv[2], argv[3], properties);
  g_autoptr(GstElement) pipeline = gst_parse_launch(graph, &error);
  if (error) return failed(error->message); /* a plugin is missing, or a property is wrong */
  g_autofree char* text = g_shell_quote(argv[4]);
  g_autofree char* command = g_strdup_printf("espeak-ng --stdout -- %s", text);
  FILE* speech = popen(command, "r");
  char wav_header[44];
  if (!speech || fread(wav_header, sizeof wav_header, 1, speech) != 1)
    return failed("espeak-ng says nothing: install it");

  GstBin* bin = GST_BIN(pipeline);
  const int width = atoi(argv[1]), height = atoi(argv[2]), rate = atoi(argv[3]);
  Feed feeds[] = {{gst_bin_get_by_name(bin, "frames"), stdin, (gsize)width * height * 3, 1, rate},
                  {gst_bin_get_by_name(bin, "speech"), speech, sizeof(gint16), 2205, 22050}};
  g_autoptr(GstElement) out = gst_bin_get_by_name(bin, "out");
  GstAppSinkCallbacks callbacks = {.new_sample = write_frame};
  gst_app_sink_set_callbacks(GST_APP_SINK(out), &callbacks, NULL, NULL);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GThread* threads[] = {g_thread_new("frames", feed, &feeds[0]),
                        g_thread_new("speech", feed, &feeds[1])};
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
  g_autoptr(GstMessage) last =
      gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE(last) == GST_MESSAGE_ERROR) gst_message_parse_error(last, &error, NULL);
  gst_element_set_state(pipeline, GST_STATE_NULL); /* wakes the threads: FLUSHING */
  for (int i = 0; i < 2; ++i) g_thread_join(threads[i]);
  pclose(speech);
  return error ? failed(error->message) : 0; /* the sentence says what to do */
}
