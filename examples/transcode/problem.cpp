#include "examples/transcode/problem.h"

#include "examples/transcode/threads.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <gst/pbutils/pbutils.h>
#include <thread>

namespace latentsync::transcode {
namespace {

struct Parsed {
  ErrorPtr error;
  TextPtr debug;
};

Parsed parse(GstMessage* message) {
  GError* error = nullptr;
  gchar* debug = nullptr;
  gst_message_parse_error(message, &error, &debug);
  return {ErrorPtr(error), TextPtr(debug)};
}

bool is(const GError* error, GQuark domain, int code) {
  return g_error_matches(error, domain, code) != FALSE;
}

bool comes_from(GstMessage* message, const char* factory_name) {
  GstObject* source = GST_MESSAGE_SRC(message);
  if (source == nullptr || !GST_IS_ELEMENT(source)) {
    return false;
  }
  GstElementFactory* factory = gst_element_get_factory(GST_ELEMENT(source));
  return factory != nullptr && g_strcmp0(GST_OBJECT_NAME(factory), factory_name) == 0;
}

/// The system's reason at the end of a debug text: "system error: No space left on device", "Error
/// while writing to file descriptor 6: File too large".
std::string system_reason(const gchar* debug) {
  const std::string text = debug == nullptr ? "" : debug;
  for (const char* mark : {"system error", "writing to file descriptor"}) {
    const size_t at = text.find(": ", std::min(text.find(mark), text.size()));
    if (at != std::string::npos) {
      return one_line(text.substr(at + 2));
    }
  }
  return "";
}

/// Why the element gave up, as the details of its error say.
std::string cause_of(GstMessage* message) {
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(message, &details);
  const gchar* cause = details == nullptr ? nullptr : gst_structure_get_string(details, "cause");
  return cause == nullptr ? "" : cause;
}

bool are_threads_short() {
  return !can_start_threads(2 * int(std::thread::hardware_concurrency()) + 2);
}

/// Whether a library failed that starts threads of its own (encoders, decoders), and could not.
bool is_without_threads(const GError* error) {
  const bool may_be = is(error, GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE) ||
                      is(error, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE) ||
                      error->domain == GST_LIBRARY_ERROR;
  return may_be && are_threads_short();
}

}  // namespace

/// A decoder that cannot start its threads is reported as one that is not installed.
Problem missing_plugin_problem(const std::string& file, const std::string& missing) {
  if (are_threads_short()) {
    return Problem(kNoThreads);
  }
  return Problem(file + ": this needs a plugin that is not installed: " + missing +
                 "; on Debian: apt install gstreamer1.0-libav gstreamer1.0-plugins-good "
                 "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly");
}

Problem cannot_write(const std::string& path, int reason) {
  return Problem(path + ": cannot be written: " + std::strerror(reason), status_of_system(reason));
}

std::string seconds_text(GstClockTime time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", double(time) / GST_SECOND);
  return text;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) {
    text.pop_back();
  }
  return text;
}

std::string missing_plugin(GstMessage* message) {
  if (!gst_is_missing_plugin_message(message)) {
    return "";
  }
  const TextPtr description(gst_missing_plugin_message_get_description(message));
  return description ? description.get() : "a plugin";
}

Problem reading_problem(const std::string& file, GstMessage* message, const std::string& missing) {
  if (!missing.empty()) return missing_plugin_problem(file, missing);
  const Parsed parsed = parse(message);
  const GError* error = parsed.error.get();
  const ExitStatus status = status_of_reading(error);
  if (is(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND)) {
    return Problem(file + ": no such file", status);
  }
  if (is_without_threads(error)) {
    return Problem(kNoThreads);
  }
  if (is(error, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND) ||
      is(error, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE)) {
    return Problem(file + ": this is not a media file, or not one that can be read (" +
                       one_line(error->message) + ")",
                   status);
  }
  if (parsed.debug && std::string(parsed.debug.get()).find("not-negotiated") != std::string::npos) {
    return Problem(
        file +
            ": GStreamer's decoders do not support its pixel format; convert it first: ffmpeg "
            "-i " +
            file + " -pix_fmt yuv444p10le -c:v ffv1 -c:a copy converted.mkv",
        status);
  }
  if (is(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED)) {
    return Problem(file + ": the file is damaged or cut off, or nothing that GStreamer can read",
                   status);
  }
  if (is(error, GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX) ||
      is(error, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE)) {
    return Problem(file + ": the file is damaged or cut off (" + one_line(error->message) + ")",
                   status);
  }
  return Problem(file + ": cannot be read (" + one_line(error->message) + ")", status);
}

Problem rendering_problem(const std::string& file, GstMessage* message,
                          const std::string& missing) {
  if (!missing.empty()) return missing_plugin_problem(file, missing);
  const Parsed parsed = parse(message);
  const GError* error = parsed.error.get();
  if (comes_from(message, "latentsync")) {
    const ExitStatus status = status_of_cause(cause_of(message));
    return Problem(one_line(error->message),
                   status == kDoesNotFit && are_threads_short() ? kFailed : status);
  }
  if (is_without_threads(error)) {
    return Problem(kNoThreads);
  }
  if (is(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT)) {
    return Problem(file + ": the disk is full; free some space and run again",
                   status_of_writing(error));
  }
  if (is(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE) ||
      is(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE) ||
      is(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_CLOSE)) {
    const std::string reason = system_reason(parsed.debug.get());
    return Problem(file + ": cannot be written (" +
                   (reason.empty() ? one_line(error->message) : reason) + ")");
  }
  const char* source = GST_MESSAGE_SRC_NAME(message);
  return Problem(file + ": cannot be made (" + one_line(error->message) + "; from " +
                 (source == nullptr ? "the pipeline" : source) + ")");
}

}  // namespace latentsync::transcode
