#include "examples/transcode/clip_page.h"

#include "examples/transcode/output_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string_view>
#include <utility>

namespace latentsync::transcode {
namespace {

constexpr std::string_view kWarning = "warning: ";
constexpr char kMeasureMouths[] = "measure-mouths";

/// What the model is and how it is used, of the element's `stats`.
constexpr std::array<std::pair<const char*, const char*>, 9> kModelFields = {{
    {"model", "name"},
    {"version", "version"},
    {"device", "device"},
    {"precision", "precision"},
    {"vae", "autoencoder"},
    {"resolution", "resolution"},
    {"inference-steps", "denoising steps"},
    {"feature-cache", "feature cache"},
    {"attention", "attention"},
}};

std::string text_of(const GValue* value) {
  if (G_VALUE_HOLDS_STRING(value)) {
    const gchar* text = g_value_get_string(value);
    return text == nullptr ? "" : text;
  }
  const TextPtr text(gst_value_serialize(value));
  return text ? text.get() : "";
}

/// The element's own properties that can be set.
std::vector<PageEntry> settings_of(GstElement* element) {
  std::vector<PageEntry> settings;
  guint count = 0;
  GParamSpec** all = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  for (GParamSpec* property : std::span(all, count)) {
    if (property->owner_type != G_OBJECT_TYPE(element) ||
        (property->flags & G_PARAM_READWRITE) != G_PARAM_READWRITE ||
        std::string_view(property->name) == kMeasureMouths) {
      continue;
    }
    GValue value = G_VALUE_INIT;
    g_object_get_property(G_OBJECT(element), property->name, &value);
    const std::string text = text_of(&value);
    settings.push_back({property->name, text.empty() ? "not set" : text,
                        !g_param_value_defaults(property, &value)});
    g_value_unset(&value);
  }
  g_free(all);
  return settings;
}

std::vector<PageEntry> model_of(GstElement* element) {
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  const StructurePtr owner(stats);
  std::vector<PageEntry> model;
  const gchar* name = stats == nullptr ? nullptr : gst_structure_get_string(stats, "model");
  if (name == nullptr || *name == '\0') {
    return model;  // none was loaded
  }
  for (const auto& [field, words] : kModelFields) {
    const GValue* value = stats == nullptr ? nullptr : gst_structure_get_value(stats, field);
    if (value != nullptr && !text_of(value).empty()) {
      model.push_back({words, text_of(value)});
    }
  }
  return model;
}

void write_text(const std::string& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream) {
    throw cannot_write(std::string(file), errno);
  }
}

std::string now() {
  GDateTime* time = g_date_time_new_now_local();
  const TextPtr text(g_date_time_format(time, "%Y-%m-%d %H:%M"));
  g_date_time_unref(time);
  return text.get();
}

}  // namespace

ClipPage::ClipPage(const Clip& clip, const std::vector<std::string>& inputs, const Part& part,
                   GstElement* element)
    : clip_(clip),
      inputs_(inputs),
      element_(GST_ELEMENT(gst_object_ref(element))),
      settings_(settings_of(element)),
      recorder_(part) {
  g_object_set(element, kMeasureMouths, TRUE, nullptr);
}

void ClipPage::line(const std::string& text) {
  if (text.starts_with(kWarning)) {
    recorder_.warning(text.substr(kWarning.size()));
  }
}

void ClipPage::write(const Measured& measured, const std::string& problem) {
  const Recording recording = recorder_.recording();
  PageFacts facts{.state = measured.whole ? PageState::kWhole : PageState::kEarly,
                  .problem = problem,
                  .output = clip_.output,
                  .input = clip_.input,
                  .speech = clip_.audio.empty() ? clip_.input : clip_.audio,
                  .version = LATENTSYNC_VERSION,
                  .date = now(),
                  .seconds = measured.seconds,
                  .frames_per_second = measured.frames_per_second,
                  .settings = settings_,
                  .model = model_of(element_.get())};
  facts.sound = clip_.sound.empty() ? facts.speech : clip_.sound;
  if (!problem.empty()) {
    facts.state = PageState::kFailed;
  }
  for (PageEntry& setting : facts.settings) {
    if (setting.name == "seed" && recording.drawn_seed >= 0) {
      setting.value += " (drawn: " + std::to_string(recording.drawn_seed) + ")";
    }
  }
  const std::string page = page_of(facts, recording);
  std::error_code ignored;
  if (std::filesystem::is_other(clip_.report, ignored)) {
    write_text(clip_.report, page);
    return;
  }
  OutputFile file(clip_.report, inputs_, "");
  write_text(file.partial(), page);
  file.keep();
}

}  // namespace latentsync::transcode
