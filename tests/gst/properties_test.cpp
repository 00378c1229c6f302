#include "tests/gst/clip.h"
#include "tests/gst/process.h"

#include <algorithm>
#include <cmath>
#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>
#include <map>
#include <set>

namespace latentsync::test {
namespace {

class PropertiesTest : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    element_.reset(
        GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("latentsync", nullptr))));
  }
  void TearDown() override {
    element_.reset();
    ElementTest::TearDown();
  }

  GParamSpec* find(const char* name) {
    return g_object_class_find_property(G_OBJECT_GET_CLASS(element_.get()), name);
  }
  /// The property's default as gst-inspect prints it.
  std::string default_of(GParamSpec* property) {
    gchar* text = nullptr;
    const GValue* value = g_param_spec_get_default_value(property);
    if (G_VALUE_HOLDS_STRING(value))
      return g_value_get_string(value) ? g_value_get_string(value) : "";
    if (G_VALUE_HOLDS_ENUM(value)) {
      auto* type = G_PARAM_SPEC_ENUM(property)->enum_class;
      return g_enum_get_value(type, g_value_get_enum(value))->value_nick;
    }
    if (G_VALUE_HOLDS_DOUBLE(value)) return std::to_string(g_value_get_double(value));
    text = gst_value_serialize(value);
    std::string result = text;
    g_free(text);
    return result;
  }

  Ref<GstElement> element_;
};

struct Spec {
  const char* name;
  const char* type;
  double least;
  double most;
  const char* standard;
  bool required;  ///< else its machinery may still be missing, and the property then is too
};

constexpr double kAny = INFINITY;

const Spec kSpecs[] = {
    {"seed", "gint64", -1, 9223372036854775807.0, "1247", true},
    {"lips-expression", "gdouble", 1, 3, "1.500000", true},
    {"inference-steps", "guint", 0, 999, "0", true},
    {"feature-cache", "int", -1, 10, "-1", true},
    {"resolution", "guint", 0, 1024, "0", true},
    {"window-frames", "guint", 1, 24, "16", true},
    {"batch-size", "guint", 0, kAny, "0", true},
    {"audio-lookahead", "guint64", 120e6, 5e9, "500000000", true},
    {"silence-threshold", "gdouble", -96, 0, "-50.000000", true},
    {"render-latency", "guint64", 0, 60e9, "0", true},
    {"vram-fraction", "gdouble", 0, 0.95, "0.000000", true},
    {"vram-budget", "gint64", -kAny, kAny, "0", true},
    {"disk-cache-size", "gint64", 0, kAny, "0", true},
};

struct Range {
  double least;
  double most;
};

Range range_of(GParamSpec* property) {
  if (G_IS_PARAM_SPEC_INT(property)) {
    return {static_cast<double>(G_PARAM_SPEC_INT(property)->minimum),
            static_cast<double>(G_PARAM_SPEC_INT(property)->maximum)};
  }
  if (G_IS_PARAM_SPEC_UINT(property)) {
    return {static_cast<double>(G_PARAM_SPEC_UINT(property)->minimum),
            static_cast<double>(G_PARAM_SPEC_UINT(property)->maximum)};
  }
  if (G_IS_PARAM_SPEC_INT64(property)) {
    return {static_cast<double>(G_PARAM_SPEC_INT64(property)->minimum),
            static_cast<double>(G_PARAM_SPEC_INT64(property)->maximum)};
  }
  if (G_IS_PARAM_SPEC_UINT64(property)) {
    return {static_cast<double>(G_PARAM_SPEC_UINT64(property)->minimum),
            static_cast<double>(G_PARAM_SPEC_UINT64(property)->maximum)};
  }
  if (G_IS_PARAM_SPEC_DOUBLE(property)) {
    return {G_PARAM_SPEC_DOUBLE(property)->minimum, G_PARAM_SPEC_DOUBLE(property)->maximum};
  }
  return {NAN, NAN};
}

// Numbers have the names, ranges and defaults that are promised.
TEST_F(PropertiesTest, NumbersAreAsPromised) {
  for (const Spec& spec : kSpecs) {
    SCOPED_TRACE(spec.name);
    GParamSpec* property = find(spec.name);
    if (property == nullptr) {
      EXPECT_FALSE(spec.required) << "it is missing";
      continue;
    }
    const Range range = range_of(property);
    EXPECT_EQ(range.least, std::isinf(spec.least) ? range.least : spec.least);
    EXPECT_EQ(range.most, std::isinf(spec.most) ? range.most : spec.most);
    if (spec.standard) {
      EXPECT_EQ(default_of(property), spec.standard);
    }
    if (std::string(spec.type) != "int") {
      EXPECT_STREQ(g_type_name(G_PARAM_SPEC_VALUE_TYPE(property)), spec.type);
    }
  }
}

struct Choice {
  const char* name;
  std::vector<std::string> values;
  const char* standard;
  bool required;
};

// Choices have the values and defaults that are promised.
TEST_F(PropertiesTest, ChoicesAreAsPromised) {
  const Choice choices[] = {
      {"scheduler", {"ddim"}, "ddim", true},
      {"attention-mode", {"flex", "flash", "standard"}, "flex", true},
      {"vae", {"auto", "full", "tiny"}, "auto", true},
      {"precision", {"auto", "float32", "bfloat16", "float16"}, "auto", true},
      {"audio-context", {"sliding", "whole"}, "sliding", true},
      {"no-face", {"pass-through", "error"}, "pass-through", true},
      {"face-select", {"largest", "center", "nearest", "all"}, "largest", true},
      {"silence", {"render", "rest", "pass-through"}, "render", true},
      {"late-policy", {"degrade", "pass-through", "wait"}, "degrade", true},
      {"memory-mode", {"conservative", "balanced", "aggressive"}, "balanced", true},
      {"optimization-level", {"conservative", "balanced", "aggressive"}, "balanced", true},
  };
  for (const Choice& choice : choices) {
    SCOPED_TRACE(choice.name);
    GParamSpec* property = find(choice.name);
    if (property == nullptr) {
      EXPECT_FALSE(choice.required) << "it is missing";
      continue;
    }
    EXPECT_EQ(default_of(property), choice.standard);
    ASSERT_TRUE(G_IS_PARAM_SPEC_ENUM(property));
    for (const std::string& value : choice.values) {
      EXPECT_TRUE(g_enum_get_value_by_nick(G_PARAM_SPEC_ENUM(property)->enum_class, value.c_str()))
          << value;
    }
  }
}

// Strings and the statistics: names, types and defaults.
TEST_F(PropertiesTest, StringsAndStatisticsAreAsPromised) {
  ASSERT_NE(find("model-path"), nullptr);
  EXPECT_EQ(G_PARAM_SPEC_VALUE_TYPE(find("model-path")), G_TYPE_STRING);
  EXPECT_EQ(g_value_get_string(g_param_spec_get_default_value(find("model-path"))), nullptr);
  gchar* path = nullptr;
  g_object_get(element_.get(), "model-path", &path, nullptr);
  EXPECT_EQ(path, nullptr) << path;
  g_free(path);
  ASSERT_NE(find("device"), nullptr);
  EXPECT_EQ(default_of(find("device")), "auto");
  ASSERT_NE(find("disk-cache"), nullptr);
  EXPECT_EQ(default_of(find("disk-cache")), "false");
  ASSERT_NE(find("disk-cache-dir"), nullptr);
  EXPECT_EQ(default_of(find("disk-cache-dir")), "");
  GParamSpec* stats = find("stats");
  ASSERT_NE(stats, nullptr);
  EXPECT_EQ(G_PARAM_SPEC_VALUE_TYPE(stats), GST_TYPE_STRUCTURE);
  EXPECT_EQ(stats->flags & G_PARAM_WRITABLE, 0);
  GstStructure* structure = nullptr;
  g_object_get(element_.get(), "stats", &structure, nullptr);
  ASSERT_NE(structure, nullptr) << "before the first frame there are statistics too";
  gst_structure_free(structure);
}

// Every property says when it may change, and has words.
TEST_F(PropertiesTest, EachSaysWhenItMayChange) {
  guint count = 0;
  GParamSpec** all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element_.get()), &count);
  for (guint at = 0; at < count; ++at) {
    if (std::string(g_type_name(all[at]->owner_type)) != g_type_name(G_OBJECT_TYPE(element_.get())))
      continue;
    SCOPED_TRACE(all[at]->name);
    const guint mutability =
        GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING;
    if (all[at]->flags & G_PARAM_WRITABLE) {
      EXPECT_NE(all[at]->flags & mutability, 0u);
    }
    EXPECT_GE(std::string(g_param_spec_get_blurb(all[at])).size(), 15u);
  }
  g_free(all);
}

// Every property keeps what it is given, at both ends of its range.
TEST_F(PropertiesTest, EachKeepsItsValue) {
  guint count = 0;
  GParamSpec** all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element_.get()), &count);
  for (guint at = 0; at < count; ++at) {
    GParamSpec* property = all[at];
    if ((property->flags & G_PARAM_WRITABLE) == 0 || (property->flags & G_PARAM_READABLE) == 0)
      continue;
    if (std::string(g_type_name(property->owner_type)) !=
        g_type_name(G_OBJECT_TYPE(element_.get())))
      continue;
    const Range range = range_of(property);
    if (std::isnan(range.least)) continue;
    SCOPED_TRACE(property->name);
    for (const double wanted : {range.least, range.most}) {
      GValue value = G_VALUE_INIT;
      GValue number = G_VALUE_INIT;
      g_value_init(&number, G_TYPE_DOUBLE);
      g_value_set_double(&number, std::min(wanted, 9.2e18));
      g_value_init(&value, G_PARAM_SPEC_VALUE_TYPE(property));
      ASSERT_TRUE(g_value_transform(&number, &value));
      g_object_set_property(G_OBJECT(element_.get()), property->name, &value);
      GValue back = G_VALUE_INIT;
      g_value_init(&back, G_PARAM_SPEC_VALUE_TYPE(property));
      g_object_get_property(G_OBJECT(element_.get()), property->name, &back);
      EXPECT_EQ(gst_value_compare(&value, &back), GST_VALUE_EQUAL);
    }
  }
  g_free(all);
}

// What is set reaches the engine, as it was set.
TEST_F(PropertiesTest, EachReachesTheEngine) {
  {
    Rig rig(Mode::kNotLive, {{"seed", "99"},
                             {"lips-expression", "2.25"},
                             {"inference-steps", "7"},
                             {"attention-mode", "standard"},
                             {"feature-cache", "5"},
                             {"resolution", "192"},
                             {"batch-size", "3"},
                             {"face-select", "center"},
                             {"measure-mouths", "true"},
                             {"precision", "bfloat16"},
                             {"vae", "tiny"},
                             {"device", "cpu"},
                             {"disk-cache", "true"},
                             {"disk-cache-dir", "/a/folder"},
                             {"disk-cache-size", "300"}});
    run(rig, Clip{});
  }
  const auto windows = fake::windows();
  ASSERT_FALSE(windows.empty());
  for (const auto& window : windows) {
    EXPECT_EQ(window.settings.seed, 99);
    EXPECT_EQ(window.settings.guidance_scale, 2.25);
    EXPECT_EQ(window.settings.inference_steps, 7);
    EXPECT_EQ(window.settings.attention, Attention::kStandard);
    EXPECT_EQ(window.settings.feature_cache, 5);
    EXPECT_EQ(window.settings.resolution, 192);
    EXPECT_EQ(window.settings.vae_batch, 3);
    EXPECT_EQ(window.settings.face_select, FaceSelect::kCenter);
    EXPECT_TRUE(window.settings.measure_mouths);
  }
  const auto loads = fake::loads();
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].folder, "fake:");
  EXPECT_EQ(loads[0].device, "cpu");
  EXPECT_EQ(loads[0].precision, Precision::kBfloat16);
  EXPECT_EQ(loads[0].vae, VaeChoice::kTiny);
  const CacheSettings cache{.enabled = true, .folder = "/a/folder", .most_bytes = 300 << 20};
  EXPECT_EQ(fake::caches(), std::vector<CacheSettings>{cache});
}

// Without a model-path the installed model is loaded, the demo model.
TEST_F(PropertiesTest, NoModelPathIsTheInstalledModel) {
  Rig rig;
  g_object_set(rig.element(), "model-path", nullptr, nullptr);
  run(rig, Clip{});
  const auto loads = fake::loads();
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_TRUE(loads[0].folder.ends_with("demo")) << loads[0].folder;
}

/// VALUES of the property, each a part of its range, at multiples of a window's duration.
void control(GstElement* element, const char* property, const std::vector<double>& values) {
  GstControlSource* source = gst_interpolation_control_source_new();
  g_object_set(source, "mode", GST_INTERPOLATION_MODE_NONE, nullptr);
  for (size_t at = 0; at < values.size(); ++at) {
    gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source),
                                       at * 16 * 40 * GST_MSECOND, values[at]);
  }
  EXPECT_TRUE(gst_object_add_control_binding(
      GST_OBJECT(element), gst_direct_control_binding_new(GST_OBJECT(element), property, source)));
  gst_object_unref(source);
}

// What a control source says of a property holds for the window of that time.
TEST_F(PropertiesTest, ControlledValuesHoldForTheirWindow) {
  for (const char* name : {"lips-expression", "face-x", "face-y"}) {
    EXPECT_NE(find(name)->flags & GST_PARAM_CONTROLLABLE, 0) << name;
  }
  if (HasFailure()) return;
  {
    Rig rig(Mode::kNotLive, {{"face-select", "nearest"}});
    control(rig.element(), "lips-expression", {0.0, 1.0, 0.5});
    control(rig.element(), "face-x", {0.25, 0.5, 0.75});
    control(rig.element(), "face-y", {1.0, 0.5, 0.0});
    run(rig, Clip{});
  }
  const auto windows = fake::windows();
  ASSERT_EQ(windows.size(), 3u);
  const std::vector<std::vector<double>> expected = {
      {1.0, 0.25, 1.0}, {3.0, 0.5, 0.5}, {2.0, 0.75, 0.0}};
  for (size_t at = 0; at < windows.size(); ++at) {
    const RenderSettings& settings = windows[at].settings;
    EXPECT_DOUBLE_EQ(settings.guidance_scale, expected[at][0]) << at;
    EXPECT_DOUBLE_EQ(settings.nearest_x, expected[at][1]) << at;
    EXPECT_DOUBLE_EQ(settings.nearest_y, expected[at][2]) << at;
  }
}

// A resolution that is no multiple of 64 is refused with words or rounded, never given on.
TEST_F(PropertiesTest, AnOddResolutionIsNotGivenOn) {
  {
    Rig rig(Mode::kNotLive, {{"resolution", "200"}});
    rig.change(GST_STATE_PLAYING);
    feed(rig, Clip{});
    EXPECT_TRUE(rig.wait_message(GST_MESSAGE_ERROR) || rig.eos());
  }
  take_warnings();
  for (const auto& window : fake::windows()) EXPECT_EQ(window.settings.resolution % 64, 0);
}

// The defaults are those that are promised, as the engine sees them.
TEST_F(PropertiesTest, DefaultsReachTheEngine) {
  {
    Rig rig;
    run(rig, Clip{});
  }
  const auto windows = fake::windows();
  ASSERT_FALSE(windows.empty());
  const RenderSettings& settings = windows.front().settings;
  EXPECT_EQ(settings.seed, 1247);
  EXPECT_EQ(settings.guidance_scale, 1.5);
  EXPECT_EQ(settings.attention, Attention::kFlex);
  EXPECT_EQ(settings.face_select, FaceSelect::kLargest);
  EXPECT_EQ(windows.front().context, AudioContext::kSliding);
  EXPECT_EQ(fake::caches(), std::vector<CacheSettings>{CacheSettings{}});
}

// A seed of -1 is drawn anew at each start, holds for the whole run, and is told on the bus.
TEST_F(PropertiesTest, ADrawnSeedIsTold) {
  std::set<int64_t> seeds;
  for (int round = 0; round < 3; ++round) {
    fake::reset();
    Rig rig(Mode::kNotLive, {{"seed", "-1"}});
    run(rig, Clip{});
    const auto windows = fake::windows();
    ASSERT_FALSE(windows.empty());
    const int64_t seed = windows.front().settings.seed;
    EXPECT_GE(seed, 0);
    for (const auto& window : windows) EXPECT_EQ(window.settings.seed, seed);
    seeds.insert(seed);
    bool told = false;
    for (const auto& message : rig.messages(static_cast<GstMessageType>(GST_MESSAGE_ANY))) {
      const GstStructure* structure = gst_message_get_structure(message.get());
      if (structure == nullptr) continue;
      gchar* text = gst_structure_to_string(structure);
      told = told || std::string(text).find(std::to_string(seed)) != std::string::npos;
      g_free(text);
    }
    EXPECT_TRUE(told);
  }
  EXPECT_EQ(seeds.size(), 3u);
}

// gst-inspect works at once, with no engine named, no LibTorch to be found, and no cache.
TEST_F(PropertiesTest, InspectWorksWithoutAnEngine) {
  const auto begin = std::chrono::steady_clock::now();
  const Finished inspect = run_process(
      "env -u LATENTSYNC_ENGINE -u LD_LIBRARY_PATH GST_PLUGIN_SYSTEM_PATH_1_0= "
      "GST_REGISTRY_FORK=no "
      "GST_REGISTRY=$(mktemp -u) gst-inspect-1.0 latentsync");
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(inspect.status, 0) << inspect.output;
  EXPECT_LT(took, patience(std::chrono::milliseconds(500)));
  for (const char* words : {"none (0)", "video_sink", "audio_sink"}) {
    EXPECT_NE(inspect.output.find(words), std::string::npos) << words << "\n" << inspect.output;
  }
  const Finished needed =
      run_process("readelf -d " LATENTSYNC_PLUGIN_FOLDER "/libgstlatentsync.so");
  EXPECT_EQ(needed.output.find("torch"), std::string::npos);
  EXPECT_EQ(needed.output.find("libc10"), std::string::npos);
}

// The pads are there always, with these names, and have the formats.
TEST_F(PropertiesTest, PadsAreAsPromised) {
  for (const char* name : {"video_sink", "audio_sink", "src"}) {
    const Ref<GstPad> pad(gst_element_get_static_pad(element_.get(), name));
    ASSERT_TRUE(pad) << name;
    const Ref<GstCaps> caps(gst_pad_get_pad_template_caps(pad.get()));
    if (std::string(name) == "audio_sink") continue;
    for (const char* format : kFormats) {
      const auto text = std::string("video/x-raw,width=1,height=1,framerate=0/1,format=") + format;
      EXPECT_TRUE(gst_caps_can_intersect(caps.get(), caps_of(text).get())) << format;
    }
  }
  GstElementFactory* factory = gst_element_get_factory(element_.get());
  // Editors look for effects by this very text.
  EXPECT_STREQ(gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS),
               "Filter/Effect/Video");
  EXPECT_EQ(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)),
            static_cast<guint>(GST_RANK_NONE));
}

}  // namespace
}  // namespace latentsync::test
