#include "tests/gst/clip.h"

#include <map>
#include <set>

/// The presets that are shipped: each loads, and sets what its table says.
namespace latentsync::test {
namespace {

using Values = std::map<std::string, std::string>;

/// Texts as gst_value_serialize() has them.
const std::map<std::string, Values>& table() {
  static const std::map<std::string, Values> all = {
      {"interview",
       {{"lips-expression", "1.4"},
        {"inference-steps", "25"},
        {"attention-mode", "flex"},
        {"memory-mode", "balanced"},
        {"optimization-level", "balanced"},
        {"seed", "1247"}}},
      {"music-video",
       {{"lips-expression", "2.2"},
        {"inference-steps", "30"},
        {"attention-mode", "flex"},
        {"memory-mode", "conservative"},
        {"optimization-level", "balanced"},
        {"seed", "2468"}}},
      {"social-batch",
       {{"lips-expression", "1.6"},
        {"inference-steps", "15"},
        {"attention-mode", "flash"},
        {"memory-mode", "balanced"},
        {"optimization-level", "aggressive"},
        {"seed", "-1"}}},
      {"lecture",
       {{"lips-expression", "1.3"},
        {"inference-steps", "20"},
        {"attention-mode", "flash"},
        {"memory-mode", "conservative"},
        {"optimization-level", "balanced"},
        {"seed", "5555"},
        {"vram-fraction", "0.7"},
        {"disk-cache", "true"}}},
      {"preview",
       {{"lips-expression", "1.5"},
        {"inference-steps", "10"},
        {"attention-mode", "flash"},
        {"memory-mode", "balanced"},
        {"optimization-level", "balanced"},
        {"seed", "1247"}}},
      {"final",
       {{"lips-expression", "1.5"},
        {"inference-steps", "30"},
        {"attention-mode", "flex"},
        {"memory-mode", "balanced"},
        {"optimization-level", "balanced"},
        {"seed", "1247"}}},
      {"rtx-4090",
       {{"lips-expression", "1.5"},
        {"inference-steps", "25"},
        {"attention-mode", "flex"},
        {"memory-mode", "aggressive"},
        {"optimization-level", "aggressive"},
        {"batch-size", "20"},
        {"vram-fraction", "0.9"}}},
      {"rtx-3080",
       {{"lips-expression", "1.5"},
        {"inference-steps", "20"},
        {"attention-mode", "flash"},
        {"memory-mode", "balanced"},
        {"optimization-level", "balanced"},
        {"vram-fraction", "0.75"}}},
      {"rtx-3070",
       {{"lips-expression", "1.5"},
        {"inference-steps", "18"},
        {"attention-mode", "flash"},
        {"memory-mode", "conservative"},
        {"optimization-level", "balanced"},
        {"vram-fraction", "0.7"}}},
      {"6gb",
       {{"lips-expression", "1.5"},
        {"inference-steps", "15"},
        {"attention-mode", "standard"},
        {"memory-mode", "conservative"},
        {"optimization-level", "conservative"},
        {"vram-fraction", "0.6"},
        {"disk-cache", "true"}}},
      {"live",
       {{"lips-expression", "1.5"},
        {"inference-steps", "10"},
        {"attention-mode", "flash"},
        {"memory-mode", "balanced"},
        {"optimization-level", "balanced"},
        {"audio-context", "sliding"},
        {"audio-lookahead", "200000000"}}},
  };
  return all;
}

class Presets : public ElementTest {
 protected:
  void SetUp() override {
    ElementTest::SetUp();
    // Read when the first preset is asked for.
    g_setenv("GST_PRESET_PATH", LATENTSYNC_SOURCE_ROOT "/gst/presets", TRUE);
  }
  static Ref<GstElement> make() {
    return Ref<GstElement>(
        GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("latentsync", nullptr))));
  }
  /// All writable properties of the element's own.
  static Values values_of(GstElement* element) {
    Values values;
    guint count = 0;
    GParamSpec** all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
    for (guint at = 0; at < count; ++at) {
      if (all[at]->owner_type != G_OBJECT_TYPE(element) || !(all[at]->flags & G_PARAM_WRITABLE)) {
        continue;
      }
      GValue value = G_VALUE_INIT;
      g_value_init(&value, all[at]->value_type);
      g_object_get_property(G_OBJECT(element), all[at]->name, &value);
      gchar* text = gst_value_serialize(&value);
      if (text) values[all[at]->name] = text;
      g_free(text);
      g_value_unset(&value);
    }
    g_free(all);
    return values;
  }
};

// There are these presets and no others, and each says in words what it is for.
TEST_F(Presets, AreTheseOnes) {
  const auto element = make();
  gchar** names = gst_preset_get_preset_names(GST_PRESET(element.get()));
  std::set<std::string> found, expected;
  for (gchar** name = names; name && *name; ++name) {
    found.insert(*name);
    gchar* comment = nullptr;
    EXPECT_TRUE(gst_preset_get_meta(GST_PRESET(element.get()), *name, "comment", &comment))
        << *name;
    g_free(comment);
  }
  g_strfreev(names);
  for (const auto& [name, values] : table()) expected.insert(name);
  EXPECT_EQ(found, expected);
}

// Each sets what its table says, and leaves every other property at its default.
TEST_F(Presets, SetWhatTheirTableSays) {
  const Values defaults = values_of(make().get());
  for (const auto& [name, changes] : table()) {
    SCOPED_TRACE(name);
    const auto element = make();
    ASSERT_TRUE(gst_preset_load_preset(GST_PRESET(element.get()), name.c_str()));
    Values expected = defaults;
    for (const auto& [property, value] : changes) {
      ASSERT_TRUE(expected.contains(property)) << property;
      expected[property] = value;
    }
    const Values found = values_of(element.get());
    for (const auto& [property, value] : expected) {
      const std::string& is = found.at(property);
      char* end = nullptr;
      const double number = std::strtod(value.c_str(), &end);
      if (end && *end == '\0') {
        EXPECT_DOUBLE_EQ(std::stod(is), number) << property;
      } else {
        EXPECT_EQ(is, value) << property;
      }
    }
  }
}

// Each is one that the element starts with.
TEST_F(Presets, CanBeStarted) {
  for (const auto& [name, changes] : table()) {
    SCOPED_TRACE(name);
    Rig rig;
    ASSERT_TRUE(gst_preset_load_preset(GST_PRESET(rig.element()), name.c_str()));
    run(rig, Clip{.frames = 20});
  }
}

}  // namespace
}  // namespace latentsync::test
