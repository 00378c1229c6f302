/* Shows a video in a window, lip-synced to speech, with a slider for the expression and a switch
 * for the original.
 *
 *     window VIDEO SPEECH [PROPERTY=VALUE...]   properties of the element; LOUDSPEAKER is an
 * element */
#include <gst/gst.h>
#include <gtk/gtk.h>
#include <stdio.h>

/* The original waits for the edited frames, so its queue must hold what the element holds. */
static const char kGraph[] =
    "uridecodebin name=video ! videoconvert ! tee name=t "
    "t. ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! which.sink_0 "
    "t. ! queue ! l.video_sink  latentsync name=l %s ! queue ! which.sink_1 "
    "input-selector name=which sync-streams=true ! videoconvert ! gtksink name=window "
    "uridecodebin name=speech ! audioconvert ! audioresample ! queue ! l.audio_sink "
    "l.audio_src ! queue ! audioconvert ! audioresample ! %s";

static int failed(const char* sentence) { return fprintf(stderr, "%s\n", sentence), 1; }

static void on_switch(GtkToggleButton* original, GstElement* which) {
  const char* name = gtk_toggle_button_get_active(original) ? "sink_0" : "sink_1";
  g_autoptr(GstPad) pad = gst_element_get_static_pad(which, name);
  g_object_set(which, "active-pad", pad, NULL);
}

/* In the main loop, not in a streaming thread. */
static void on_message(GstBus* bus G_GNUC_UNUSED, GstMessage* message, int* status) {
  g_autoptr(GError) error = NULL;
  g_autofree char* debug = NULL;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
    gst_message_parse_warning(message, &error, NULL);
    failed(error->message);
  } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error(message, &error, &debug);
    fprintf(stderr, "%s\n%s\n", error->message, debug); /* the sentence says what to do */
    *status = 1;
    gtk_main_quit();
  } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
    gtk_main_quit();
  }
}

int main(int argc, char** argv) {
  if (argc < 3) return failed("usage: window VIDEO SPEECH [PROPERTY=VALUE...]"), 2;
  gst_init(NULL, NULL);
  gtk_init(NULL, NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char* properties = g_strjoinv(" ", argv + 3);
  const char* speaker = g_getenv("LOUDSPEAKER");
  g_autofree char* graph = g_strdup_printf(kGraph, properties, speaker ? speaker : "autoaudiosink");
  g_autoptr(GstElement) pipeline = gst_parse_launch(graph, &error);
  if (error) return failed(error->message); /* a plugin is missing, or a property is wrong */
  GstElement* named[5];
  const char* names[] = {"video", "speech", "l", "which", "window"};
  for (int i = 0; i < 5; ++i) named[i] = gst_bin_get_by_name(GST_BIN(pipeline), names[i]);
  for (int i = 0; i < 2; ++i) {
    g_autofree char* uri = gst_filename_to_uri(argv[1 + i], &error);
    if (error) return failed(error->message);
    g_object_set(named[i], "uri", uri, NULL);
  }

  /* Properties may be set from any thread; this one holds from the next window on. */
  GtkAdjustment* expression = gtk_adjustment_new(1, 1, 3, 0.1, 0.1, 0);
  g_object_bind_property(named[2], "lips-expression", expression, "value",
                         G_BINDING_SYNC_CREATE | G_BINDING_BIDIRECTIONAL);
  GtkWidget* original = gtk_check_button_new_with_label("Original");
  g_signal_connect(original, "toggled", G_CALLBACK(on_switch), named[3]);
  on_switch(GTK_TOGGLE_BUTTON(original), named[3]);
  GtkWidget *picture = NULL, *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
  g_object_get(named[4], "widget", &picture, NULL);
  gtk_box_pack_start(GTK_BOX(box), picture, TRUE, TRUE, 0);
  gtk_container_add(GTK_CONTAINER(box), gtk_scale_new(GTK_ORIENTATION_HORIZONTAL, expression));
  gtk_container_add(GTK_CONTAINER(box), original);
  GtkWidget* frame = g_object_new(GTK_TYPE_WINDOW, "title", "latentsync", "child", box, NULL);
  g_signal_connect(frame, "destroy", gtk_main_quit, NULL);
  gtk_widget_show_all(frame);

  int status = 0;
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
  gst_bus_add_signal_watch(bus);
  g_signal_connect(bus, "message", G_CALLBACK(on_message), &status);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  gtk_main();
  gst_element_set_state(pipeline, GST_STATE_NULL);
  for (int i = 0; i < 5; ++i) gst_object_unref(named[i]);
  g_object_unref(picture);
  return status;
}
