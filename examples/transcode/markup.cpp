#include "examples/transcode/markup.h"

#include "examples/transcode/handles.h"

#include <array>
#include <cmath>

namespace latentsync::transcode {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

std::string escaped(std::string_view text) {
  // It ends at a zero byte, which becomes one of the characters that are replaced.
  std::string whole(text);
  for (char& byte : whole) {
    byte = byte == '\0' ? '\x01' : byte;
  }
  const TextPtr valid(g_utf8_make_valid(whole.data(), gssize(whole.size())));
  std::string markup;
  for (const char* at = valid.get(); *at != '\0'; at = g_utf8_next_char(at)) {
    const gunichar letter = g_utf8_get_char(at);
    switch (letter) {
      case '&':
        markup += "&amp;";
        break;
      case '<':
        markup += "&lt;";
        break;
      case '>':
        markup += "&gt;";
        break;
      case '"':
        markup += "&quot;";
        break;
      case '\'':
        markup += "&#39;";
        break;
      default: {
        const bool control = letter < 0x20 && letter != '\n' && letter != '\t';
        const bool none = (letter >= 0x7F && letter < 0xA0) || letter == 0xFFFE || letter == 0xFFFF;
        const auto bytes = size_t(g_utf8_next_char(at) - at);
        markup += control || none ? kReplacement : std::string_view(at, bytes);
      }
    }
  }
  return markup;
}

std::string short_number(double number, int decimals) {
  if (!std::isfinite(number)) {
    return "0";
  }
  std::array<char, G_ASCII_DTOSTR_BUF_SIZE> format{};
  std::array<char, 400> buffer{};
  g_snprintf(format.data(), gulong(format.size()), "%%.%df", decimals);
  std::string text = g_ascii_formatd(buffer.data(), int(buffer.size()), format.data(), number);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') {
      text.pop_back();
    }
  }
  return text == "-0" ? "0" : text;
}

}  // namespace latentsync::transcode
