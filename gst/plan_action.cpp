#include "gst/element.h"
#include "gst/error_domain.h"
#include "gst/plan_structure.h"
#include "gst/render/engine_loader.h"

#include <algorithm>

/// The action signal plan-memory.
namespace latentsync {
namespace {

Result<MemoryPlan> make_plan(Element& element, guint width, guint height) {
  const Settings settings = element.snapshot();
  if (const auto failure = check(settings)) return *failure;
  const auto engine = load_engine();
  if (!engine) return engine.failure();
  PlanRequest request = plan_request(settings, std::max<int64_t>(settings.seed, 0));
  if (width > 0 && height > 0) {
    request.width = width;
    request.height = height;
  }
  return (*engine)->plan(request);
}

GstStructure* failure_structure(const Failure& failure) {
  return gst_structure_new("latentsync-error", "cause", G_TYPE_STRING, cause_of(failure.code),
                           "message", G_TYPE_STRING, failure.message.c_str(), "debug",
                           G_TYPE_STRING, failure.detail.c_str(), nullptr);
}

GstStructure* plan_memory(GstElement* self, guint width, guint height) noexcept {
  try {
    const auto plan = make_plan(element_of(self), width, height);
    return plan ? plan_structure(*plan) : failure_structure(plan.failure());
  } catch (...) {
    return failure_structure(current_failure());
  }
}

}  // namespace

void install_plan_action(GObjectClass* klass) {
  /**
   * GstLatentsync::plan-memory:
   * @width: of the frames, in pixels; 0: 1920
   * @height: of the frames, in pixels; 0: 1080
   *
   * How a start with the present properties would fit windows into the memory. Nothing is loaded. A
   * CUDA device that is not there is planned for where #GstLatentsync:vram-budget is positive. In
   * any state; the calling thread waits.
   *
   * Returns: (transfer full): a structure `latentsync-plan`, as the message has it; `fits` is
   * %FALSE where nothing fits, and `advice` says what would. Or a structure `latentsync-error` with
   * the #gchararray `cause`, `message` and `debug`.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("plan-memory", G_OBJECT_CLASS_TYPE(klass),
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(plan_memory), nullptr, nullptr, nullptr, GST_TYPE_STRUCTURE,
                             2, G_TYPE_UINT, G_TYPE_UINT);
}

}  // namespace latentsync
