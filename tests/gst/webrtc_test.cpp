#include "tests/gst/flash_meter.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

/// A sender and a receiver of WebRTC, in real time, in this process; ICE finds the way on this
/// machine. webrtcbin does not wait for the clock: clocksync does, so that frames are not sent a
/// window at a time.
namespace latentsync::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Frames of the sender, and those that are edited.
struct Counts {
  double frames = 0;
  double edited = 0;
};

struct UnrefPromise {
  void operator()(GstPromise* promise) const { gst_promise_unref(promise); }
};
using Promise = std::unique_ptr<GstPromise, UnrefPromise>;

/// Has PEER create an offer or an answer, by the signal ACTION.
GstWebRTCSessionDescription* create(GstElement* peer, const char* action, const char* field) {
  const Promise promise(gst_promise_new());
  g_signal_emit_by_name(peer, action, nullptr, promise.get());
  GstWebRTCSessionDescription* description = nullptr;
  if (gst_promise_wait(promise.get()) == GST_PROMISE_RESULT_REPLIED) {
    gst_structure_get(gst_promise_get_reply(promise.get()), field,
                      GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &description, nullptr);
  }
  return description;
}

void set(GstElement* peer, const char* action, GstWebRTCSessionDescription* description) {
  const Promise promise(gst_promise_new());
  g_signal_emit_by_name(peer, action, description, promise.get());
  gst_promise_wait(promise.get());
}

void send_candidate(GstElement*, guint line, const gchar* candidate, gpointer other) {
  g_signal_emit_by_name(other, "add-ice-candidate", line, candidate);
}

/// Links a stream that arrives to its depayloader in RECEIVER.
void link_stream(GstElement*, GstPad* pad, gpointer receiver) {
  if (GST_PAD_DIRECTION(pad) != GST_PAD_SRC) return;
  const Ref<GstCaps> caps(gst_pad_get_current_caps(pad));
  const std::string media =
      gst_structure_get_string(gst_caps_get_structure(caps.get(), 0), "media");
  const Ref<GstElement> depayloader =
      static_cast<Pipeline*>(receiver)->element(media == "video" ? "video" : "audio");
  const Ref<GstPad> sink(gst_element_get_static_pad(depayloader.get(), "sink"));
  EXPECT_EQ(gst_pad_link(pad, sink.get()), GST_PAD_LINK_OK) << media;
}

class WebRtc : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    const Ref<GstObject> nice(GST_OBJECT(gst_element_factory_find("nicesrc")));
    if (!nice) {
      GTEST_SKIP() << "gstreamer1.0-nice is not installed";
    }
    watch(duration() + seconds(60));
    sender_ = std::make_unique<Pipeline>(
        std::string("webrtcbin name=w bundle-policy=max-bundle ") + kFlashes +
        " ! videoconvert ! queue ! l.video_sink " + kBeeps +
        " ! audioconvert ! queue ! l.audio_sink "
        "latentsync name=l window-frames=8 audio-lookahead=120000000 render-latency=680000000 ! "
        "queue max-size-bytes=0 max-size-time=0 ! clocksync ! videoconvert ! "
        "vp8enc deadline=1 "
        "keyframe-max-dist=25 ! rtpvp8pay ! "
        "application/x-rtp,media=video,encoding-name=VP8,payload=96 ! w. "
        "l.audio_src ! queue ! clocksync ! audioconvert ! audioresample ! "
        "opusenc frame-size=10 ! rtpopuspay ! "
        "application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! w.");
    receiver_ = std::make_unique<Pipeline>(
        "webrtcbin name=w bundle-policy=max-bundle "
        "rtpvp8depay name=video ! vp8dec ! videoconvert ! " +
        flash_sink(false) + " rtpopusdepay name=audio ! opusdec ! audioconvert ! " +
        beep_sink(false));
  }

  void TearDown() override {
    sender_.reset();
    receiver_.reset();
    ElementTest::TearDown();
  }

  /// How long a graph runs: by default some seconds.
  static seconds duration() {
    const char* text = std::getenv("LATENTSYNC_WEBRTC_SECONDS");
    return seconds(text ? std::atoi(text) : 9);
  }

  void connect() {
    const Ref<GstElement> from = sender_->element("w");
    const Ref<GstElement> to = receiver_->element("w");
    g_signal_connect(from.get(), "on-ice-candidate", G_CALLBACK(send_candidate), to.get());
    g_signal_connect(to.get(), "on-ice-candidate", G_CALLBACK(send_candidate), from.get());
    g_signal_connect(to.get(), "pad-added", G_CALLBACK(link_stream), receiver_.get());
    receiver_->start();
    sender_->start();
    wait(seconds(1));  // Until the streams' caps are known.
    GstWebRTCSessionDescription* offer = create(from.get(), "create-offer", "offer");
    ASSERT_NE(offer, nullptr);
    set(to.get(), "set-remote-description", offer);
    set(from.get(), "set-local-description", offer);
    GstWebRTCSessionDescription* answer = create(to.get(), "create-answer", "answer");
    ASSERT_NE(answer, nullptr);
    set(to.get(), "set-local-description", answer);
    set(from.get(), "set-remote-description", answer);
    gst_webrtc_session_description_free(offer);
    gst_webrtc_session_description_free(answer);
  }

  void wait(milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      for (Pipeline* pipeline : {sender_.get(), receiver_.get()}) {
        const auto ended = pipeline->read_message(milliseconds(5));
        ASSERT_FALSE(ended) << testing::PrintToString(pipeline->errors());
      }
    }
  }

  Counts counts() const {
    GstStructure* found = nullptr;
    const Ref<GstElement> element = sender_->element("l");
    g_object_get(element.get(), "stats", &found, nullptr);
    const Ref<GstStructure> statistics(found);
    guint64 out = 0, edited = 0;
    gst_structure_get(found, "frames-out", G_TYPE_UINT64, &out, "frames-edited", G_TYPE_UINT64,
                      &edited, nullptr);
    return {static_cast<double>(out), static_cast<double>(edited)};
  }

  /// With an engine of these words; at least PART of the frames is edited.
  void expect_together(const std::string& words, double part) {
    if (IsSkipped()) return;
    fake::behave("record=off," + words);
    const Ref<GstElement> element = sender_->element("l");
    g_object_set(element.get(), "model-path", "fake:", nullptr);
    const FlashMeter sources(*sender_, FlashMeter::Place::kSources);
    const FlashMeter sinks(*receiver_);
    connect();
    wait(seconds(3));  // Until it is known how slow the engine is.
    const Counts before = counts();
    wait(duration());
    const Counts after = counts();
    const double edited = (after.edited - before.edited) / (after.frames - before.frames);
    std::vector<double> found = sinks.arrival_distances();
    std::vector<double> before_it = sources.arrival_distances();
    std::printf(
        "%s: %.0f frames, %.0f %% edited; beep after flash, ms: %s, at the sources %s; "
        "delays %s\n",
        words.c_str(), after.frames - before.frames, 100 * edited,
        testing::PrintToString(found).c_str(), testing::PrintToString(before_it).c_str(),
        testing::PrintToString(sinks.delays(sources, GST_SECOND)).c_str());
    EXPECT_GE(edited, part);
    ASSERT_GE(found.size(), 3u);
    // On a machine that is busy some wait for a processor.
    std::ranges::sort(found);
    std::ranges::sort(before_it);
    EXPECT_LE(std::abs(found[found.size() / 2] - before_it[before_it.size() / 2]), 20) << "ms";
  }

 private:
  std::unique_ptr<Pipeline> sender_;
  std::unique_ptr<Pipeline> receiver_;
};

TEST_F(WebRtc, FastEngine) { expect_together("step-delay=2ms", 1.0); }
TEST_F(WebRtc, TenPercentTooSlow) { expect_together("step-delay=88ms", 0.85); }
TEST_F(WebRtc, TwiceTooSlow) { expect_together("step-delay=160ms", 0.45); }

}  // namespace
}  // namespace latentsync::test
