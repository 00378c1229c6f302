#include "tests/support/operator_count.h"
#include "tests/unit/lipsync_session.h"

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

constexpr size_t kFrames = 16;

// What a window costs the host. On a CPU nobody waits for anybody: counted is what waits for a
// device, where the networks are on one.
struct WindowCost {
  int64_t waits = 0;
  int64_t tasks = 0;
  int64_t uploaded_bytes = 0;
  OperatorCounts operators;
};

// The demo model at a small size: the numbers are those of any size.
class HostWaits : public LipsyncSessionTest {
 protected:
  static std::shared_ptr<Model> load_demo() {
    auto wanted = settings();
    wanted.folder = std::string(LATENTSYNC_SOURCE_MODELS_DIR) + "/demo";
    auto model = engine().load(wanted);
    EXPECT_TRUE(model) << (model ? "" : model.failure().message);
    return model ? *model : nullptr;
  }

  // Faces are followed, and frames copied, as on a device, or as on a processor.
  static void work_as_on_a_device(Model& model, bool device) {
    auto& loaded = dynamic_cast<lipsync::LoadedModel&>(model);
    auto& networks = const_cast<lipsync::Networks&>(loaded.networks());
    networks.faces =
        std::make_shared<const face::FaceFollower>(networks.faces->tracker(), device ? kFrames : 1);
    networks.copies_frames = device;
  }

  WindowCost cost_of(lipsync::LipsyncSession& session, TestFrames& frames) {
    const auto before = session.share().client().counts();
    const OperatorCount operators;
    const auto result = session.render(window(frames), {.resolution = 128}, {}, {});
    EXPECT_TRUE(result) << result.failure().message << result.failure().detail;
    const auto after = session.share().client().counts();
    return {after.host_waits - before.host_waits, after.tasks - before.tasks,
            after.uploaded_bytes - before.uploaded_bytes, operators.counts()};
  }
};

// Of a window that continues the one before the host waits three times, whatever the number of
// frames and steps: for the faces' places, for their appearances and for the images. Everything
// else goes by without it: no value decides what is launched, and nothing is copied to a device or
// from it but by core/device/transfer.
TEST_F(HostWaits, AWindowThatContinues) {
  const auto model = load_demo();
  ASSERT_TRUE(model);
  work_as_on_a_device(*model, true);
  const auto session = open_with(*model);
  auto lead = window_of(0, kFrames);
  const auto first = cost_of(*session, lead);
  auto frames = window_of(kFrames, kFrames);
  const auto cost = cost_of(*session, frames);
  EXPECT_EQ(frames.written.size(), kFrames);
  std::cout << "a window of " << kFrames << " frames: " << cost.waits << " host waits, "
            << cost.operators.launches << " launches, " << cost.tasks
            << " tasks; the first one: " << first.waits << " host waits\n";
  EXPECT_LE(cost.waits, 3);
  EXPECT_LE(first.waits, 10);
  EXPECT_LE(cost.operators.launches, 2000);
  EXPECT_EQ(cost.operators.moves, 0);
  for (const auto& [name, count] : cost.operators.host_reads) {
    ADD_FAILURE() << count << " of " << name;
  }
}

// A frame in system memory goes to the device once, for the faces and the crops together, and what
// is made of it there is what is made of it here.
TEST_F(HostWaits, FramesGoUpOnce) {
  const auto model = load_demo();
  ASSERT_TRUE(model);
  std::vector<ClipFrames> windows;
  for (const bool device : {false, true}) {
    work_as_on_a_device(*model, device);
    windows.push_back(window_of(0, kFrames));
    auto& frames = windows.back();
    int64_t bytes = 0;
    for (const auto& picture : frames.pictures) {
      const auto& view = picture.view;
      for (int p = 0; p < kernels::plane_count(view.format); ++p) {
        const auto plane = kernels::plane_size(view.format, p, view.width, view.height);
        bytes += view.planes[p].stride * (plane.rows - 1) + plane.row_bytes;
      }
    }
    const auto session = open_with(*model);
    EXPECT_EQ(cost_of(*session, frames).uploaded_bytes, device ? bytes : 0);
  }
  EXPECT_TRUE(windows[0].equals(windows[1]));
}

}  // namespace
}  // namespace latentsync::test
