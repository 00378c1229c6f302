#pragma once

#include <string>
#include <vector>

namespace latentsync::transcode {

/// The lines of the text file PATH (which may be a pipe), without their ends (LF, CRLF, or CR
/// alone), byte order marks of UTF-8, empty lines and those that begin with #. Throws Problem: PATH
/// cannot be read or is no UTF-8 text.
std::vector<std::string> list_lines(const std::string& path);

}  // namespace latentsync::transcode
