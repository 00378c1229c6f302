#pragma once

#include <string>

/// What a user names as an input: a path or a URI.
namespace latentsync::transcode {

/// Whether NAME is a URI. A file that exists is a file, even if its name looks like a URI
/// ("take:2.mp4"), and so is a name whose protocol GStreamer does not know.
bool is_uri(const std::string& name);

/// The path of the file that NAME names; empty where it is a URI of anything else than a file.
std::string path_of(const std::string& name);

/// The path of the pipe that NAME names, of "-" standard input; empty: NAME is no pipe, and can be
/// read several times or not at all.
std::string pipe_of(const std::string& name);

/// NAME as a URI that GStreamer can read. Nothing is opened for it. Throws Problem: there is no
/// such file, or it is not one that can be read several times (a folder, pipe, socket, device), or
/// the permission is missing.
std::string uri_of(const std::string& name);

}  // namespace latentsync::transcode
