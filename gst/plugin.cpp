#include "gst/bin/latentsyncbin.h"
#include "gst/latentsync.h"

#define PACKAGE "latentsync"

static gboolean plugin_init(GstPlugin* plugin) {
  return GST_ELEMENT_REGISTER(latentsync, plugin) && GST_ELEMENT_REGISTER(latentsyncbin, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, latentsync,
                  "Makes the mouth in a video follow an audio track (LatentSync)", plugin_init,
                  LATENTSYNC_VERSION, "Apache 2.0", "latentsync", "Unknown package origin")
