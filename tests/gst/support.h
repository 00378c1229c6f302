#pragma once

#include "tests/gst/fake_engine.h"

#include <chrono>
#include <gst/gst.h>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

/// What every test of the element stands on.
namespace latentsync::test {

enum class Mode { kNotLive, kLive };
std::string mode_name(const testing::TestParamInfo<Mode>& info);

struct Unref {
  void operator()(GstObject* object) const { gst_object_unref(object); }
  void operator()(GstElement* object) const { gst_object_unref(object); }
  void operator()(GstPad* object) const { gst_object_unref(object); }
  void operator()(GstBus* object) const { gst_object_unref(object); }
  void operator()(GstAllocator* object) const { gst_object_unref(object); }
  void operator()(GstBufferPool* object) const { gst_object_unref(object); }
  void operator()(GstClock* object) const { gst_object_unref(object); }
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
  void operator()(GstEvent* event) const { gst_event_unref(event); }
  void operator()(GstQuery* query) const { gst_query_unref(query); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstStructure* structure) const { gst_structure_free(structure); }
};
template <typename T>
using Ref = std::unique_ptr<T, Unref>;

/// One more reference to the same object.
template <typename T>
Ref<T> share(T* object) {
  return Ref<T>(reinterpret_cast<T*>(gst_mini_object_ref(GST_MINI_OBJECT_CAST(object))));
}

Ref<GstCaps> caps_of(const std::string& text);

/// Warnings and criticals of GLib since the last call; a test that expects some calls it.
std::vector<std::string> take_warnings();

/// Ends the process with a message when the running test takes longer than LIMIT from now on
/// (30 s by default; times LATENTSYNC_TEST_TIME_FACTOR).
void watch(std::chrono::seconds limit);

/// LIMIT times LATENTSYNC_TEST_TIME_FACTOR, for what must not take longer on any machine.
std::chrono::milliseconds patience(std::chrono::milliseconds limit);

/// Memory of this process that is in use, after what is free was given back.
int64_t resident_bytes();

/// A test with an engine that was reset. At its end: GLib warned of nothing, the element did
/// nothing against core/engine.h, and no model, session or source buffer is alive.
class ElementTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
};

/// The same, live and not.
class InBothModes : public ElementTest, public testing::WithParamInterface<Mode> {};

#define LATENTSYNC_IN_BOTH_MODES(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::Values(Mode::kNotLive, Mode::kLive), mode_name)

}  // namespace latentsync::test
