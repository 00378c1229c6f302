#include "tests/gst/clip.h"
#include "tests/gst/told.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

/// What is held from which state to which, pads that are linked later, and an end that is asked
/// for.
namespace latentsync::test {
namespace {

class States : public InBothModes {};
LATENTSYNC_IN_BOTH_MODES(States);

size_t progress_messages(Rig& rig, GstProgressType wanted) {
  size_t count = 0;
  for (const auto& message : rig.messages(GST_MESSAGE_PROGRESS)) {
    GstProgressType type = GST_PROGRESS_TYPE_ERROR;
    gst_message_parse_progress(message.get(), &type, nullptr, nullptr);
    count += type == wanted ? 1 : 0;
  }
  return count;
}

size_t loads_begun(Rig& rig) { return progress_messages(rig, GST_PROGRESS_TYPE_START); }

bool wait_loaded(Rig& rig) {
  const auto deadline = std::chrono::steady_clock::now() + patience(std::chrono::seconds(10));
  while (progress_messages(rig, GST_PROGRESS_TYPE_COMPLETE) == 0) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// The model is loaded once for all that is played before NULL, as a player goes to READY between
// two titles; NULL gives it back.
TEST_P(States, HoldTheModelFromReadyToNull) {
  Rig rig(GetParam());
  rig.change(GST_STATE_READY);
  for (int title = 0; title < 3; ++title) {
    SCOPED_TRACE(title);
    expect_frames(run(rig, Clip{}), Clip{});
    rig.change(GST_STATE_READY);
    EXPECT_EQ(fake::live_models(), 1);
    rig.take();
  }
  EXPECT_EQ(fake::loads().size(), 1u);
  EXPECT_EQ(loads_begun(rig), 1u);
  rig.stop();
  EXPECT_EQ(fake::live_models(), 0);
  expect_frames(run(rig, Clip{}), Clip{});
  EXPECT_EQ(fake::loads().size(), 2u);
}

// The same where each title only prerolls.
TEST_P(States, HoldTheModelOverPaused) {
  Rig rig(GetParam());
  for (int round = 0; round < 3; ++round) {
    rig.change(GST_STATE_PAUSED);
    ASSERT_TRUE(fake::wait_for_loads(1));
    EXPECT_TRUE(wait_loaded(rig));
    rig.change(GST_STATE_READY);
  }
  rig.change(GST_STATE_PAUSED);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(fake::loads().size(), 1u);
}

// Another model, device or precision that is set in READY is loaded, and the one before given back.
TEST_P(States, LoadWhatWasSetInReady) {
  Rig rig(GetParam());
  run(rig, Clip{});
  const std::pair<const char*, const char*> changes[] = {
      {"model-path", "fake:steps=2"}, {"device", "cpu"}, {"precision", "float16"}, {"vae", "tiny"}};
  size_t loads = 1;
  for (const auto& [name, value] : changes) {
    SCOPED_TRACE(name);
    rig.change(GST_STATE_READY);
    rig.take();
    rig.set(name, value);
    expect_frames(run(rig, Clip{}), Clip{});
    EXPECT_EQ(fake::loads().size(), ++loads);
    EXPECT_EQ(fake::live_models(), 1);
  }
}

// A load that failed is tried again at the next start, from READY too.
TEST_P(States, TryAFailedLoadAgainFromReady) {
  const TemporaryFolder folder;
  std::ofstream(folder / "fake") << "load-failure=out-of-memory";
  Rig rig(GetParam(), {{"model-path", folder.path().string()}});
  rig.change(GST_STATE_PLAYING);
  feed(rig, Clip{});
  ASSERT_TRUE(rig.wait_message(GST_MESSAGE_ERROR));
  rig.change(GST_STATE_READY);
  EXPECT_TRUE(rig.video.wait_idle());
  EXPECT_TRUE(rig.audio.wait_idle());
  std::ofstream(folder / "fake") << "steps=3";
  rig.take();
  rig.drop_messages();
  expect_frames(run(rig, Clip{}), Clip{});
  EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
}

// EOS that an application sends to the element, as `gst-launch-1.0 -e` does it to a pipeline: what
// the element holds comes out before it.
TEST_P(States, EosSentToTheElementOutputsWhatItHolds) {
  Rig rig(GetParam());
  rig.start();
  const Clip clip;
  begin(rig, clip);
  feed_frames(rig.video, clip);
  feed_samples(rig.audio, clip);
  ASSERT_TRUE(rig.wait_buffers(16));
  ASSERT_TRUE(rig.video.wait_idle());
  ASSERT_TRUE(rig.audio.wait_idle());
  EXPECT_TRUE(gst_element_send_event(rig.element(), gst_event_new_eos()));
  ASSERT_TRUE(rig.wait_eos(std::chrono::seconds(3)));
  expect_frames(rig.take_buffers(), clip);
}

/// The names of this process's threads.
std::vector<std::string> thread_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "comm");
    std::string name;
    if (std::getline(file, name)) names.push_back(name);
  }
  return names;
}

// The thread that renders has a name by which a debugger and top tell it.
TEST_P(States, NameTheThreadThatRenders) {
  Rig rig(GetParam());
  rig.start();
  ASSERT_TRUE(fake::wait_for_loads(1));
  const auto names = thread_names();
  EXPECT_TRUE(std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.find("latentsync") != std::string::npos;
  })) << testing::PrintToString(names);
}

/// Takes the link of a pad away; link_again() makes it.
struct Unlinked {
  explicit Unlinked(Feeder& feeder) : feeder(feeder), peer(gst_pad_get_peer(feeder.pad())) {
    gst_pad_unlink(feeder.pad(), peer.get());
  }
  void link_again() const { ASSERT_EQ(gst_pad_link(feeder.pad(), peer.get()), GST_PAD_LINK_OK); }
  Feeder& feeder;
  Ref<GstPad> peer;
};

// A pad that nothing is linked to at the start, as before a decoder has found its streams, is
// waited for: one warning that names it, no error, and all frames once it is linked.
TEST_P(States, APadThatIsLinkedLaterIsWaitedFor) {
  for (const char* name : {"video_sink", "audio_sink"}) {
    SCOPED_TRACE(name);
    fake::reset();
    Rig rig(GetParam());
    const bool video = std::string(name) == "video_sink";
    const Unlinked unlinked(video ? rig.video : rig.audio);
    rig.start();
    const Clip clip;
    Feeder& linked = video ? rig.audio : rig.video;
    linked.begin(video ? audio_caps(clip.audio_format) : clip.picture.caps());
    video ? feed_samples(linked, clip) : feed_frames(linked, clip);
    linked.eos();
    EXPECT_TRUE(rig.wait_message(GST_MESSAGE_WARNING, 1, std::chrono::seconds(4)));
    EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
    unlinked.link_again();
    unlinked.feeder.begin(video ? clip.picture.caps() : audio_caps(clip.audio_format));
    video ? feed_frames(unlinked.feeder, clip) : feed_samples(unlinked.feeder, clip);
    unlinked.feeder.eos();
    ASSERT_TRUE(rig.wait_eos(std::chrono::seconds(5)));
    expect_frames(rig.take_buffers(), clip);
    const auto warnings = sentences_of(rig);
    ASSERT_EQ(warnings.size(), 1u) << testing::PrintToString(warnings);
    EXPECT_NE(warnings.front().find(name), std::string::npos) << warnings.front();
    EXPECT_TRUE(rig.messages(GST_MESSAGE_ERROR).empty());
  }
}

}  // namespace
}  // namespace latentsync::test
