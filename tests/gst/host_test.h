#pragma once

#include "tests/gst/numbered_media.h"
#include "tests/gst/pipeline.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

/// latentsyncbin in other people's containers: numbered titles, their speech, and the frames that
/// the command line makes of them.
namespace latentsync::test {

class HostTest : public ElementTest {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;
  /// For TearDown(): no latentsyncbin and no latentsync is alive; whoever is stopping may take 2 s.
  static void expect_freed();

  /// Frames 0 to 99, and 500 to 549.
  static const std::string& title() { return title_; }
  static const std::string& second() { return second_; }
  /// The frames of the title at a variable rate.
  static const std::string& irregular() { return irregular_; }
  static const std::string& speech() { return speech_; }
  static const NumberedMedia& media() { return *media_; }
  static std::string file(const std::string& name);

  /// The filter, with the speech.
  static std::string filter(const std::string& context);
  static Ref<GstElement> made_filter(const std::string& context);
  /// All frames of what latentsync-transcode makes of a title and the speech.
  static std::vector<SeenFrame> of_the_command_line(const std::string& uri = title());
  /// The frames of a file.
  static std::vector<SeenFrame> frames_of_file(const std::string& uri);

  /// A sink for I420, and what it gets.
  static Ref<GstElement> made_sink(bool sync = false);
  static Ref<GstPad> pad_of(GstElement* sink);

  static bool change(GstElement* pipeline, GstState state);
  static bool wait_eos(GstElement* pipeline);
  static void expect_ascending(const std::vector<SeenFrame>& frames);
  /// Fifty seeks, by key frame and accurate, some of them in PAUSED, and then the title from its
  /// start on.
  static void seek_at_random(GstElement* pipeline, const FrameRecorder& recorder);

 private:
  static std::unique_ptr<NumberedMedia> media_;
  static std::string title_, second_, irregular_, speech_;
};

}  // namespace latentsync::test
