#pragma once

namespace latentsync::transcode {

constexpr char kNoThreads[] =
    "no more threads can be started (ulimit -u, or the limit of a container); raise the limit, or "
    "close other programs of this user";

/// Whether COUNT threads could be started now.
bool can_start_threads(int count);

/// Throws Problem: there are too few for any clip.
void check_threads();

}  // namespace latentsync::transcode
