#pragma once

namespace latentsync::transcode {

/// What a process needs before anything else: standard streams that are open, threads that may be
/// started, signals that leave nothing behind. Throws Problem: too few threads may be started.
void prepare_process();

}  // namespace latentsync::transcode
