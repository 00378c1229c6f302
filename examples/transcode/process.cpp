#include "examples/transcode/process.h"

#include "examples/transcode/console.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/threads.h"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <glib.h>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

namespace latentsync::transcode {
namespace {

/// A file that is opened while a standard stream is closed would get its number, and messages would
/// be written into it.
void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) {
      ::open("/dev/null", O_RDWR);
    }
  }
}

std::string_view message_of(const GLogField* fields, gsize count) {
  for (gsize index = 0; index < count; ++index) {
    if (std::strcmp(fields[index].key, "MESSAGE") == 0) {
      const auto* text = static_cast<const char*>(fields[index].value);
      return fields[index].length < 0 ? std::string_view(text)
                                      : std::string_view(text, gsize(fields[index].length));
    }
  }
  return {};
}

/// GLib and GStreamer report a thread that does not start in their log alone ("failed to create
/// thread", "creating thread 'pool'"), and the pipeline then waits for it forever.
bool is_thread_missing(GLogLevelFlags level, std::string_view message) {
  return (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0 &&
         message.find("creat") != std::string_view::npos &&
         message.find(" thread") != std::string_view::npos;
}

/// GstBin's warning where a pipeline is stopped at the moment in which a decoder links itself:
/// nothing is wrong, and there is nothing to do about it.
bool is_linking_race(std::string_view message) {
  return message.starts_with("loop detected in the graph of bin");
}

GLogWriterOutput write_log(GLogLevelFlags level, const GLogField* fields, gsize count, gpointer) {
  if (is_thread_missing(level, message_of(fields, count))) {
    end_failed(std::string("latentsync-transcode: ") + kNoThreads + "\n", kFailed);
  }
  if (is_linking_race(message_of(fields, count))) {
    return G_LOG_WRITER_HANDLED;
  }
  // A streaming thread must not wait for who reads standard error either.
  return error_is_writable(kPatience) ? g_log_writer_default(level, fields, count, nullptr)
                                      : G_LOG_WRITER_HANDLED;
}

/// OpenMP's library ends the process itself where it cannot start its threads.
void on_exit() {
  if (!Farewell::pending()) {
    return;
  }
  // First of all: another thread may call exit() too, and its call returns from the process.
  Farewell::remove_files();
  const bool threads = can_start_threads(2 * int(std::thread::hardware_concurrency()));
  end_failed(
      std::string("latentsync-transcode: ") +
          (threads ? "a library ended the process; please report this with the log" : kNoThreads) +
          "\n",
      kFailed);
}

}  // namespace

void prepare_process() {
  open_standard_streams();
  handle_signals();
  std::atexit(on_exit);
  g_log_set_writer_func(write_log, nullptr, nullptr);
  check_threads();
}

}  // namespace latentsync::transcode
