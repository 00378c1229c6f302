#pragma once

#include "tests/gst/support.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <gst/check/gsttestclock.h>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace latentsync::test {

/// A source pad with a thread of its own that pushes what it is told, in order, and answers
/// upstream queries from the public members (set them before Rig::start()).
class Feeder {
 public:
  Feeder(std::string name, Mode mode);
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  /// stream-start, caps and a time segment.
  void begin(const std::string& caps, const GstSegment* segment = nullptr);
  void push(Ref<GstBuffer> buffer);
  void push(GstEvent* event);
  void caps(const std::string& caps);
  void segment(const GstSegment& segment);
  void gap(GstClockTime time, GstClockTime duration);
  void eos();

  /// A flush that nobody asked for: flush-start now, what waits is thrown away, then flush-stop.
  void flush_start(guint32 number = GST_SEQNUM_INVALID);
  void flush_stop(guint32 number = GST_SEQNUM_INVALID);
  /// Called, after the flush of a flushing seek, with the seek: what is fed then comes after it.
  std::function<void(GstEvent*)> on_seek;

  /// Everything was pushed; false after LIMIT.
  bool wait_idle(std::chrono::milliseconds limit = std::chrono::seconds(10));
  size_t waiting() const;
  GstFlowReturn flow() const;
  /// What came from downstream, by type.
  int events(GstEventType type) const;
  Ref<GstEvent> last_event(GstEventType type) const;

  GstPad* pad() const { return pad_.get(); }

  /// From now on LATENCY queries are answered so.
  void set_mode(Mode mode) { mode_ = mode; }

  GstClockTime duration = GST_CLOCK_TIME_NONE;
  GstClockTime position = GST_CLOCK_TIME_NONE;
  bool seekable = false;
  bool refuses_seeks = false;  ///< when they come, after on_seek
  GstClockTime latency = 0;    ///< the least, where live
  /// Each push waits up to so long before, at random.
  std::chrono::microseconds most_delay{0};

 private:
  friend class Rig;
  void run(const std::stop_token& stop);
  void push_item(GstMiniObject* item);
  void drop_waiting();
  static gboolean query(GstPad* pad, GstObject* parent, GstQuery* query);
  static gboolean event(GstPad* pad, GstObject* parent, GstEvent* event);

  const std::string name_;
  std::atomic<Mode> mode_;
  Ref<GstPad> pad_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<GstMiniObject*> queue_;
  bool busy_ = false;
  bool flushing_ = false;
  GstFlowReturn flow_ = GST_FLOW_OK;
  std::vector<Ref<GstEvent>> events_;
  std::minstd_rand random_{1};
  std::jthread thread_;
};

/// What came out of the element, in order: one of the two.
struct Output {
  Ref<GstBuffer> buffer;
  Ref<GstEvent> event;
};

using Properties = std::vector<std::pair<std::string, std::string>>;

/// The element in a pipeline on a test clock that stands still, with a feeder on each sink pad and
/// a sink that keeps what comes.
class Rig {
 public:
  explicit Rig(Mode mode = Mode::kNotLive, const Properties& properties = {});
  /// To NULL, and the element and its pads must be gone then.
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void set(const std::string& property, const std::string& value);

  /// To PLAYING; a failure of the test where that does not work.
  void start();
  GstStateChangeReturn change(GstState state);
  /// To NULL, until what was being pushed has returned and what waited was refused, as a pipeline's
  /// sources are joined: nothing of this run reaches the next.
  void stop();

  /// Drops outputs instead of keeping them; counts are right all the same.
  void keep_outputs(bool keep);
  /// The sink takes so long for each buffer.
  void sink_delay(std::chrono::microseconds delay);

  size_t buffers() const;
  bool wait_buffers(size_t count, std::chrono::milliseconds limit = std::chrono::seconds(15));
  bool wait_eos(std::chrono::milliseconds limit = std::chrono::seconds(20));
  bool eos() const;
  std::vector<Output> take();
  std::vector<Ref<GstBuffer>> take_buffers();

  /// All messages so far of these kinds, also those that were asked for before.
  std::vector<Ref<GstMessage>> messages(GstMessageType type);
  /// Those with a structure of this name.
  std::vector<Ref<GstMessage>> element_messages(const std::string& name);
  /// Forgets them.
  void drop_messages();
  /// Waits until there are so many.
  bool wait_message(GstMessageType type, size_t count = 1,
                    std::chrono::milliseconds limit = std::chrono::seconds(10));

  /// Asks the element's source pad, as a sink would.
  bool query(GstQuery* query);
  /// Sends an event upstream from the sink.
  bool send_upstream(GstEvent* event);
  /// A flushing seek to TIME, as an application does it; FEED says what either source sends then.
  /// What came out before is forgotten.
  bool seek(const std::function<void(Rig&, bool video)>& feed, GstClockTime time = 0);
  /// What a pipeline does about latency: query, then event.
  struct Latency {
    bool live = false;
    GstClockTime least = 0;
    GstClockTime most = GST_CLOCK_TIME_NONE;
  };
  Latency update_latency();

  void set_time(GstClockTime time);
  /// Sets the clock, for whoever begins to wait for an earlier time too, until so many buffers are
  /// out.
  bool wait_buffers_at(GstClockTime time, size_t count,
                       std::chrono::milliseconds limit = std::chrono::seconds(5));
  /// The system's clock in place of the test clock; before start().
  void use_system_clock();

  GstElement* element() const { return element_.get(); }
  GstElement* pipeline() const { return pipeline_.get(); }
  GstPad* sink() const { return sink_.get(); }
  Mode mode() const { return mode_; }

  Feeder video;
  Feeder audio;
  /// Answers for ALLOCATION queries; without it they are refused.
  std::function<bool(GstQuery*)> allocation;
  /// What the sink returns.
  std::atomic<GstFlowReturn> sink_flow = GST_FLOW_OK;

 private:
  void read_bus();
  static GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer);
  static gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event);
  static gboolean sink_query(GstPad* pad, GstObject* parent, GstQuery* query);

  const Mode mode_;
  Ref<GstElement> pipeline_;
  Ref<GstElement> element_;
  Ref<GstBus> bus_;
  Ref<GstClock> clock_;
  Ref<GstPad> sink_;
  std::vector<Ref<GstMessage>> messages_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Output> outputs_;
  size_t buffers_ = 0;
  bool eos_ = false;
  bool keep_ = true;
  std::chrono::microseconds sink_delay_{0};
};

}  // namespace latentsync::test
