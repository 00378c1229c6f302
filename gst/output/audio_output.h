#pragma once

#include "gst/handles.h"
#include "gst/monitor.h"
#include "gst/output/audio_spool.h"
#include "gst/output/clock_alarm.h"
#include "gst/output/source.h"
#include "gst/reporter.h"

#include <deque>
#include <variant>
#include <vector>

/// The way of the audio out of an element: what arrives at audio_sink leaves by the request pad
/// audio_src as it came, from a task of its own.
///
/// In a live graph a buffer leaves when the frames of all of its time have left: as long after the
/// last of them as it begins after it, or with the next one. When its latency is over it leaves
/// whether there are frames or not. In a graph that is not live it leaves as soon as downstream
/// takes it: a muxer may need audio before it takes the next frame, and how much of it is known to
/// no other element. What waits there beyond some seconds waits in a file.
namespace latentsync {

class AudioOutput {
 public:
  AudioOutput(MonitorPtr monitor, const Source& source, Reporter& reporter, GstElement* element)
      : monitor_(std::move(monitor)),
        source_(source),
        reporter_(reporter),
        element_(element),
        alarm_(monitor_) {}

  /// One turn of PAD's task: outputs one buffer or event, or waits until there may be one.
  void turn(GstPad* pad);

  // All others: with the Monitor's lock held.

  /// Before the task runs.
  void start();
  /// Has turn() return, and keeps it from doing anything.
  void stop();
  /// After the task has ended: forgets all that it holds, and the stream.
  void reset();

  /// PAD is the way out from now on, without it what arrives is dropped. A pad that is added while
  /// a stream goes on begins with the stream's sticky events.
  void open(GstPad* pad);
  /// Returns the pad; its task can be ended now.
  GstPad* close();
  GstPad* pad() const { return pad_; }

  /// As they arrive at audio_sink, in order.
  void push(BufferPtr buffer);
  void push(EventPtr event);

  void flush();   ///< of the audio
  void resume();  ///< after a flush

  /// Whether somebody takes the audio.
  bool wanted() const { return pad_ && flow_ == GST_FLOW_OK; }
  /// Whether more is taken, where the windows have no need of it.
  bool has_room() const;
  /// What downstream returned last.
  GstFlowReturn flow() const { return flow_; }
  /// EOS has arrived; nothing follows it but a new stream.
  bool ended() const { return ended_; }
  /// Downstream has been linked anew.
  void relinked();

 private:
  /// So many buffers that follow each other in the spool.
  struct Spooled {
    uint64_t count = 0;
  };
  /// A buffer or event, with the running times at which it begins (none: it waits for nothing but
  /// what is before it) and ends.
  struct Leaving {
    std::variant<BufferPtr, EventPtr, Spooled> item;
    std::optional<int64_t> running_ns;
    int64_t end_ns = 0;
  };

  void keep_sticky(GstEvent* event);
  void read_event(GstEvent* event, Leaving& leaving);
  void drop_oldest();
  void forget_all();
  /// Whether the buffer is in the spool now.
  bool spool(GstBuffer* buffer, int64_t begin_ns);
  std::variant<BufferPtr, EventPtr> take_next();
  void warn_of_spool(Lock& lock);
  GstClockTime due(const Leaving& leaving) const;
  bool waits(const Leaving& leaving) const;
  void wait(Lock& lock, uint64_t seen);
  void send(Lock& lock, GstPad* pad, BufferPtr buffer);
  void send(Lock& lock, GstPad* pad, EventPtr event);
  void end_after_failure(Lock& lock, GstPad* pad);

  const MonitorPtr monitor_;
  const Source& source_;
  Reporter& reporter_;
  GstElement* const element_;
  ClockAlarm alarm_;

  GstPad* pad_ = nullptr;  ///< the element's
  std::deque<Leaving> leaving_;
  AudioSpool spool_;
  uint64_t held_bytes_ = 0;       ///< of the buffers in leaving_
  std::vector<EventPtr> sticky_;  ///< of the stream that arrives, for a pad that is added
  GstSegment segment_ = {};       ///< of what arrives
  int64_t end_ns_ = 0;            ///< running time at which a buffer without a timestamp lies
  uint64_t epoch_ = 0;            ///< counts flushes
  GstFlowReturn flow_ = GST_FLOW_OK;
  bool stopping_ = true;
  bool flushing_ = false;
  bool ended_ = false;
  bool gap_ = false;  ///< the next buffer follows dropped ones
  bool failure_told_ = false;
  bool spool_failed_ = false;  ///< and no warning of it has been posted
};

}  // namespace latentsync
