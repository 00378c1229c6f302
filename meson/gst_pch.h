#pragma once

/// Precompiled for the plugin and for the command line: what nearly every file there includes
/// anyway. Each file still includes what it uses, so that it compiles with -Db_pch=false.
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <gst/audio/audio.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>
