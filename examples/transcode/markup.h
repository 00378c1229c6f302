#pragma once

#include <string>
#include <string_view>

namespace latentsync::transcode {

/// TEXT as the content or a quoted attribute of HTML and SVG. What is not UTF-8 (a file's name may
/// be any bytes), and control characters, which no document may have, become U+FFFD.
std::string escaped(std::string_view text);

/// NUMBER with up to DECIMALS digits behind the point, without zeros at the end: "0.5", "12", "-3".
/// "0" for what is no number.
std::string short_number(double number, int decimals);

}  // namespace latentsync::transcode
