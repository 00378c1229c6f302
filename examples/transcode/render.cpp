#include "examples/transcode/render.h"

#include "examples/transcode/cache_room.h"
#include "examples/transcode/clean_speech.h"
#include "examples/transcode/interrupt.h"
#include "examples/transcode/memory_plan.h"

#include <algorithm>
#include <gst/app/gstappsrc.h>
#include <utility>

namespace latentsync::transcode {
namespace {

constexpr GstClockTime kPoll = 100 * GST_MSECOND;
constexpr char kFeedFailed[] = "feed-failed";
constexpr char kStartFailed[] = "start-failed";

void link_pads(GstElement* source, const char* source_pad, GstElement* sink, const char* sink_pad) {
  if (!gst_element_link_pads(source, source_pad, sink, sink_pad)) {
    throw Problem(std::string("GStreamer does not link ") + GST_ELEMENT_NAME(source) + " to " +
                  GST_ELEMENT_NAME(sink));
  }
}

/// What multifilesink, which takes a format of printf, makes the names of the pictures from.
std::string picture_names(const std::string& folder) {
  std::string names;
  for (const char letter : folder) {
    names.append(letter == '%' ? 2 : 1, letter);
  }
  return names + "/%08d.png";
}

}  // namespace

Render::Render(Streams& streams, ElementPtr element, const RenderPlan& plan)
    : streams_(streams),
      name_(plan.name),
      made_frames_(plan.made),
      part_(plan.part),
      pipeline_(gst_pipeline_new(nullptr)),
      resumable_frames_(plan.resumable_frames) {
  element_ = element.get();
  gst_bin_add(GST_BIN(pipeline_.get()), element_);
  // Frames that wait here are memory; audio is small.
  video_source_ = add_source(4, 0);
  if (!made_frames_) {
    speech_source_ = add_source(0, GST_SECOND);
  }
  if (plan.with_sound) {
    sound_source_ = add_source(0, GST_SECOND);
  }
  GstElement* encoder = add("encodebin2");
  GstElement* sink = add("filesink");
  // No sink waits for the other's first buffer: an encoder may want more frames than a queue holds.
  g_object_set(sink, "location", plan.file.c_str(), "async", FALSE, nullptr);
  g_signal_connect(encoder, "pad-added", G_CALLBACK(on_encoded), sink);
  g_signal_connect(encoder, "deep-element-added", G_CALLBACK(on_encoder_element), this);
  g_object_set(encoder, "profile", plan.profile, nullptr);

  link_pads(video_source_, "src", element_, made_frames_ ? "sink" : "video_sink");
  if (speech_source_ != nullptr) {
    link_speech(plan.speech_gain);
  }
  if (sound_source_ != nullptr) {
    link_sound(encoder);
  }
  link_video(encoder, plan);

  if (plan.recorder != nullptr) {
    const BusPtr bus(gst_element_get_bus(pipeline_.get()));
    tap_.emplace(*plan.recorder, element_, bus.get());
  }
  const PadPtr pad(gst_element_get_static_pad(element_, "src"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_frame, this, nullptr);
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_element_event, this,
                    nullptr);
  const PadPtr written(gst_element_get_static_pad(sink, "sink"));
  gst_pad_add_probe(written.get(), GST_PAD_PROBE_TYPE_BUFFER, on_written, this, nullptr);
}

Render::~Render() { close(); }

void Render::close() {
  streams_.stop();
  // A start that came after the end would open the file again.
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  if (starter_.joinable()) {
    starter_.join();
  }
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  // A source that never was started does not let go of who waits for room in it.
  for (GstElement* source : {video_source_, speech_source_, sound_source_}) {
    if (source != nullptr) {
      gst_app_src_end_of_stream(GST_APP_SRC(source));
    }
  }
  feeders_.clear();
}

PipelinePtr Render::close_and_keep_model() {
  gst_element_set_locked_state(element_, TRUE);
  close();
  tap_.reset();
  PipelinePtr kept(GST_ELEMENT(gst_object_ref(element_)));
  gst_bin_remove(GST_BIN(pipeline_.get()), element_);
  element_ = nullptr;
  return kept;
}

StructurePtr Render::element_stats() const {
  GstStructure* stats = nullptr;
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(element_), "stats") != nullptr) {
    g_object_get(element_, "stats", &stats, nullptr);
  }
  return StructurePtr(stats);
}

GstElement* Render::add(const char* factory) {
  GstElement* made = gst_element_factory_make(factory, nullptr);
  if (made == nullptr) {
    throw Problem(std::string("GStreamer's element ") + factory +
                  " is missing; on Debian: apt install gstreamer1.0-plugins-base "
                  "gstreamer1.0-plugins-good");
  }
  gst_bin_add(GST_BIN(pipeline_.get()), made);
  return made;
}

GstElement* Render::add_source(guint64 most_buffers, guint64 most_time) {
  GstElement* source = add("appsrc");
  g_object_set(source, "format", GST_FORMAT_TIME, "block", TRUE, "max-bytes", guint64(0),
               "max-buffers", most_buffers, "max-time", most_time, "handle-segment-change", TRUE,
               nullptr);
  return source;
}

void Render::link_speech(const std::optional<double>& gain) {
  GstElement* convert = add("audioconvert");
  GstElement* resample = add("audioresample");
  link_pads(speech_source_, "src", convert, "sink");
  link_pads(convert, "src", resample, "sink");
  GstElement* last = resample;
  if (gain) {
    last = make_cleaning(*gain);
    gst_bin_add(GST_BIN(pipeline_.get()), last);
    link_pads(resample, "src", last, "sink");
  }
  link_pads(last, "src", element_, "audio_sink");
}

void Render::link_sound(GstElement* encoder) {
  const PadPtr sink(gst_element_request_pad_simple(encoder, "audio_%u"));
  const PadPtr source(gst_element_get_static_pad(sound_source_, "src"));
  if (!sink || gst_pad_link(source.get(), sink.get()) != GST_PAD_LINK_OK) {
    throw Problem(name_ + ": GStreamer has no way to encode the sound");
  }
}

void Render::link_video(GstElement* encoder, const RenderPlan& plan) {
  // While what follows takes frames this is empty, and only the element can be slow.
  made_ = add("queue");
  g_object_set(made_, "max-size-buffers", 1, "max-size-bytes", 0, "max-size-time", guint64(0),
               nullptr);
  link_pads(element_, "src", made_, "sink");
  GstElement* last = made_;
  const char* last_pad = "src";
  if (!plan.frames.empty()) {
    last = add("tee");
    last_pad = "src_%u";
    link_pads(made_, "src", last, "sink");
    link_frames(last, plan.frames);
  }
  if (plan.crop_right > 0 || plan.crop_bottom > 0) {
    GstElement* convert = add("videoconvert");
    GstElement* crop = add("videocrop");
    g_object_set(crop, "right", plan.crop_right, "bottom", plan.crop_bottom, nullptr);
    link_pads(last, last_pad, convert, "sink");
    link_pads(convert, "src", crop, "sink");
    last = crop;
    last_pad = "src";
  }
  if (!plan.caps.empty()) {
    GstElement* convert = add("videoconvert");
    GstElement* filter = add("capsfilter");
    gst_util_set_object_arg(G_OBJECT(convert), "dither", "none");
    gst_util_set_object_arg(G_OBJECT(filter), "caps", plan.caps.c_str());
    link_pads(last, last_pad, convert, "sink");
    link_pads(convert, "src", filter, "sink");
    last = filter;
    last_pad = "src";
  }
  const PadPtr sink(gst_element_request_pad_simple(encoder, "video_%u"));
  const PadPtr source(g_strcmp0(last_pad, "src") == 0
                          ? gst_element_get_static_pad(last, last_pad)
                          : gst_element_request_pad_simple(last, last_pad));
  if (!sink || gst_pad_link(source.get(), sink.get()) != GST_PAD_LINK_OK) {
    throw Problem(name_ + ": GStreamer has no way to encode the video");
  }
}

void Render::link_frames(GstElement* tee, const std::string& frames) {
  GstElement* queue = add("queue");
  GstElement* convert = add("videoconvert");
  GstElement* encode = add("pngenc");
  GstElement* write = add("multifilesink");
  g_object_set(queue, "max-size-buffers", 4, "max-size-bytes", 0, "max-size-time", guint64(0),
               nullptr);
  g_object_set(encode, "compression-level", 1, nullptr);
  g_object_set(write, "async", FALSE, "location", picture_names(frames).c_str(), "index",
               int(streams_.first_frame_number()), nullptr);
  link_pads(tee, "src_%u", queue, "sink");
  link_pads(queue, "src", convert, "sink");
  link_pads(convert, "src", encode, "sink");
  link_pads(encode, "src", write, "sink");
}

void Render::on_encoded(GstElement*, GstPad* pad, gpointer sink) {
  if (GST_PAD_IS_SRC(pad)) {
    const PadPtr target(gst_element_get_static_pad(GST_ELEMENT(sink), "sink"));
    gst_pad_link(pad, target.get());
  }
}

void Render::on_encoder_element(GstBin*, GstBin*, GstElement* element, gpointer self) {
  GstElementFactory* factory = gst_element_get_factory(element);
  adapt_encoder(element, static_cast<Render*>(self)->streams_.sound_samples());
  if (factory != nullptr &&
      gst_element_factory_list_is_type(factory, GST_ELEMENT_FACTORY_TYPE_VIDEO_ENCODER)) {
    const PadPtr pad(gst_element_get_static_pad(element, "src"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_encoded_frame, self, nullptr);
  }
}

GstPadProbeReturn Render::on_encoded_frame(GstPad*, GstPadProbeInfo*, gpointer self) {
  ++static_cast<Render*>(self)->frames_encoded_;
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn Render::on_frame(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  auto* self = static_cast<Render*>(data);
  const Part& part = self->streams_.part();
  GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const GstClockTime time = GST_BUFFER_PTS(buffer);
  self->position_ = time;
  if (!part.keeps(time)) {
    return GST_PAD_PROBE_DROP;
  }
  if (self->part_ != nullptr) {
    self->note_frame(pad, buffer);
  }
  buffer = gst_buffer_make_writable(buffer);
  GST_BUFFER_PTS(buffer) = time - std::min(time, part.begin);
  info->data = buffer;
  ++self->frames_out_;
  return GST_PAD_PROBE_OK;
}

void Render::note_frame(GstPad* pad, const GstBuffer* buffer) {
  if (part_->frames.empty()) {
    const CapsPtr caps(gst_pad_get_current_caps(pad));
    const TextPtr text(gst_caps_to_string(caps.get()));
    part_->caps = text.get();
  }
  part_->frames.push_back({.time = GST_BUFFER_PTS(buffer),
                           .duration = GST_BUFFER_DURATION(buffer),
                           .flags = GST_BUFFER_FLAGS(buffer)});
}

GstPadProbeReturn Render::on_element_event(GstPad*, GstPadProbeInfo* info, gpointer self) {
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
    static_cast<Render*>(self)->element_ended_ = true;
  }
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn Render::on_written(GstPad*, GstPadProbeInfo*, gpointer self) {
  ++static_cast<Render*>(self)->moved_;
  return GST_PAD_PROBE_OK;
}

bool Render::may_be_rendering() const {
  guint waiting = 0;
  g_object_get(made_, "current-level-buffers", &waiting, nullptr);
  const PadPtr pad(gst_element_get_static_pad(element_, "src"));
  return !element_ended_ && waiting == 0 &&
         gst_pad_get_last_flow_return(pad.get()) >= GST_FLOW_FLUSHING;
}

void Render::look_for_standstill(Standstill& standstill) const {
  const guint64 moved = moved_ + frames_out_ + frames_encoded_;
  if (standstill.is_at(moved) && !may_be_rendering()) {
    // What does not move may not be stopped either.
    end_failed("latentsync-transcode: " + name_ + ": nothing could be written for " +
                   std::to_string(patience().count()) +
                   " s; see whether its disk answers, and run again\n",
               kTryAgain);
  }
}

template <typename Next>
void Render::feed(GstElement* source, Next next) {
  try {
    while (Unit unit = next()) {
      unit.buffer.reset(gst_buffer_make_writable(unit.buffer.release()));
      GST_BUFFER_PTS(unit.buffer.get()) = unit.time;
      GST_BUFFER_DTS(unit.buffer.get()) = GST_CLOCK_TIME_NONE;
      const SamplePtr sample(gst_sample_new(unit.buffer.get(), unit.caps.get(), nullptr, nullptr));
      unit.buffer.reset();
      ++moved_;
      if (gst_app_src_push_sample(GST_APP_SRC(source), sample.get()) != GST_FLOW_OK) {
        return;
      }
    }
    gst_app_src_end_of_stream(GST_APP_SRC(source));
  } catch (...) {
    const std::lock_guard lock(mutex_);
    feed_failure_ = std::current_exception();
    post(kFeedFailed);
  }
}

void Render::post(const char* what) {
  gst_element_post_message(
      pipeline_.get(),
      gst_message_new_application(GST_OBJECT(pipeline_.get()), gst_structure_new_empty(what)));
}

Unit Render::next_frame() { return made_frames_ ? made_frames_() : streams_.next_frame(); }

void Render::start() {
  feeders_.emplace_back([this] {
    feed(video_source_, [this] {
      Unit unit = next_frame();
      frames_in_ += unit && streams_.part().keeps(unit.time) ? 1 : 0;
      return unit;
    });
  });
  if (speech_source_ != nullptr) {
    feeders_.emplace_back(
        [this] { feed(speech_source_, [this] { return streams_.next_speech(); }); });
  }
  if (sound_source_ != nullptr) {
    feeders_.emplace_back(
        [this] { feed(sound_source_, [this] { return streams_.next_sound(); }); });
  }
  // The model loads meanwhile; this thread goes on showing progress and taking Ctrl-C.
  starter_ = std::jthread([this] { play(); });
}

void Render::play() {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) {
      return;
    }
  }
  if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    post(kStartFailed);
  }
}

bool Render::run(Progress& progress) {
  const Interrupt interrupt;
  start();
  const BusPtr bus(gst_element_get_bus(pipeline_.get()));
  Standstill standstill;
  for (;;) {
    const MessagePtr message(gst_bus_timed_pop(bus.get(), kPoll));
    moved_ += message ? 1 : 0;
    look_for_standstill(standstill);
    if (message && handle(message.get(), progress)) {
      break;
    }
    warn(progress);
    look_for_interrupt(progress);
    const Part& part = streams_.part();
    const GstClockTime end = std::min(part.end, streams_.total());
    const GstClockTime done = std::clamp(position_.load(), part.begin, end) - part.begin;
    progress.update(frames_out_, double(done) / double(end - part.begin));
  }
  warn(progress);
  if (!finishing_) {
    check_whole();
  }
  return !finishing_;
}

void Render::warn(Progress& progress) {
  for (const std::string& sentence : streams_.warnings().take()) {
    progress.line("warning: " + sentence);
  }
}

bool Render::handle(GstMessage* message, Progress& progress) {
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
      return true;
    case GST_MESSAGE_ERROR:
      throw rendering_problem(name_, message, missing_);
    case GST_MESSAGE_WARNING: {
      GError* error = nullptr;
      gst_message_parse_warning(message, &error, nullptr);
      progress.line("warning: " + one_line(error->message));
      g_error_free(error);
      return false;
    }
    case GST_MESSAGE_PROGRESS: {
      GstProgressType type = GST_PROGRESS_TYPE_CONTINUE;
      gchar* text = nullptr;
      gst_message_parse_progress(message, &type, nullptr, &text);
      if (type == GST_PROGRESS_TYPE_COMPLETE) {
        progress.begin();
        progress.line(one_line(text));  // what is in force
      } else {
        progress.say(one_line(text));
      }
      g_free(text);
      return false;
    }
    case GST_MESSAGE_ELEMENT:
      show_plan(gst_message_get_structure(message), progress);
      show_window(gst_message_get_structure(message), progress);
      if (missing_.empty()) {
        missing_ = missing_plugin(message);
      }
      return false;
    case GST_MESSAGE_APPLICATION: {
      const std::lock_guard lock(mutex_);
      if (feed_failure_) {
        std::rethrow_exception(feed_failure_);
      }
      throw Problem(name_ + ": the pipeline does not start; GST_DEBUG=2 says why");
    }
    default:
      return false;
  }
}

void Render::show_plan(const GstStructure* structure, Progress& progress) {
  if (!gst_structure_has_name(structure, "latentsync-plan")) {
    return;
  }
  if (const std::string line = memory_line(structure); !line.empty()) {
    progress.line(line);
  }
}

void Render::show_window(const GstStructure* structure, Progress& progress) {
  gboolean cached = FALSE;
  if (gst_structure_has_name(structure, "latentsync-window") &&
      gst_structure_get_boolean(structure, "cached", &cached)) {
    progress.window_made(cached != FALSE);
    const std::string line = cache_room(element_, std::exchange(resumable_frames_, 0));
    if (!line.empty()) {
      progress.line(line);
    }
    return;
  }
  const gchar* stage = gst_structure_get_string(structure, "stage");
  int step = 0, steps = 0, frames = 0;
  double part = 0, seconds = 0;
  if (gst_structure_has_name(structure, "latentsync-progress") && stage != nullptr &&
      gst_structure_get(structure, "step", G_TYPE_INT, &step, "steps", G_TYPE_INT, &steps, "frames",
                        G_TYPE_INT, &frames, "part", G_TYPE_DOUBLE, &part, "seconds", G_TYPE_DOUBLE,
                        &seconds, nullptr)) {
    progress.window(stage, step, steps, part, frames, seconds);
  }
}

void Render::look_for_interrupt(Progress& progress) {
  const int count = Interrupt::count();
  if (count == 0) {
    return;
  }
  if (frames_out_ == 0) {
    end_interrupted();
  }
  if (!std::exchange(finishing_, true)) {
    progress.line("interrupted: finishing what is begun; again to stop at once");
    streams_.stop();
  }
}

void Render::check_whole() const {
  if (frames_in_ == 0 && frames_out_ == 0) {
    throw Problem(name_ + ": no frame of the video falls into this part; choose a longer one");
  }
  if (frames_out_ != frames_in_ || frames_encoded_ != frames_out_) {
    throw Problem(name_ + ": " + std::to_string(frames_in_) + " frames went in, " +
                  std::to_string(frames_out_) + " came out and " + std::to_string(frames_encoded_) +
                  " were encoded; this is a bug, please report it");
  }
}

}  // namespace latentsync::transcode
