#pragma once

#include <map>
#include <string>
#include <vector>

namespace latentsync::test {

/// An element of a document.
struct MarkupElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  ///< directly in it
};

/// All elements of TEXT in the order of their ends. Fails the test unless TEXT is well-formed, and
/// each id in it is the only one.
std::vector<MarkupElement> parse_markup(const std::string& text);

/// The element with this ID; fails the test where there is none.
MarkupElement by_id(const std::vector<MarkupElement>& elements, const std::string& id);

/// How many elements are called NAME and have WORD in their class.
size_t count_of(const std::vector<MarkupElement>& elements, const std::string& name,
                const std::string& word);

}  // namespace latentsync::test
