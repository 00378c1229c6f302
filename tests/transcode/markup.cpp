#include "tests/transcode/markup.h"

#include <algorithm>
#include <glib.h>
#include <iterator>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace latentsync::test {
namespace {

struct Parsed {
  std::vector<MarkupElement> open;
  std::vector<MarkupElement> closed;
};

void on_start(GMarkupParseContext*, const gchar* name, const gchar** names, const gchar** values,
              gpointer data, GError**) {
  MarkupElement element{.name = name};
  for (; *names != nullptr; ++names, ++values) {
    const bool fresh = element.attributes.emplace(*names, *values).second;
    EXPECT_TRUE(fresh) << name << " has " << *names << " twice";
  }
  static_cast<Parsed*>(data)->open.push_back(std::move(element));
}

void on_end(GMarkupParseContext*, const gchar*, gpointer data, GError**) {
  auto* parsed = static_cast<Parsed*>(data);
  parsed->closed.push_back(std::move(parsed->open.back()));
  parsed->open.pop_back();
}

void on_text(GMarkupParseContext*, const gchar* text, gsize length, gpointer data, GError**) {
  auto* parsed = static_cast<Parsed*>(data);
  if (!parsed->open.empty()) {
    parsed->open.back().text.append(text, length);
  }
}

}  // namespace

std::vector<MarkupElement> parse_markup(const std::string& text) {
  const GMarkupParser parser{on_start, on_end, on_text, nullptr, nullptr};
  Parsed parsed;
  GMarkupParseContext* context =
      g_markup_parse_context_new(&parser, GMarkupParseFlags(0), &parsed, nullptr);
  GError* error = nullptr;
  const bool good =
      g_markup_parse_context_parse(context, text.data(), gssize(text.size()), &error) != FALSE &&
      g_markup_parse_context_end_parse(context, &error) != FALSE;
  EXPECT_TRUE(good) << (error == nullptr ? "" : error->message);
  g_clear_error(&error);
  g_markup_parse_context_free(context);
  std::set<std::string> ids;
  for (const MarkupElement& element : parsed.closed) {
    if (const auto id = element.attributes.find("id"); id != element.attributes.end()) {
      EXPECT_TRUE(ids.insert(id->second).second) << "two elements are called " << id->second;
    }
  }
  return parsed.closed;
}

MarkupElement by_id(const std::vector<MarkupElement>& elements, const std::string& id) {
  for (const MarkupElement& element : elements) {
    const auto found = element.attributes.find("id");
    if (found != element.attributes.end() && found->second == id) {
      return element;
    }
  }
  ADD_FAILURE() << "there is no element " << id;
  return {};
}

size_t count_of(const std::vector<MarkupElement>& elements, const std::string& name,
                const std::string& word) {
  return size_t(std::count_if(elements.begin(), elements.end(), [&](const MarkupElement& element) {
    const auto kind = element.attributes.find("class");
    std::istringstream words(kind == element.attributes.end() ? "" : kind->second);
    const std::istream_iterator<std::string> begin(words), end;
    return element.name == name && std::find(begin, end, word) != end;
  }));
}

}  // namespace latentsync::test
