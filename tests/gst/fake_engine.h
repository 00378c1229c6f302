#pragma once

#include "core/engine.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

/// An engine without networks, for tests of its callers: core/engine.h in a shared library of its
/// own, which LATENTSYNC_ENGINE names. It does what it is told in words, and remembers what it was
/// given. A test that links it sees the same instance that the plugin opens.
///
/// Words are "key=value" with commas between, from LATENTSYNC_FAKE, behave(), a model folder that
/// is called "fake:..." and the file "fake" of a model folder, the later ones over the earlier:
///
///   plan-delay=20ms                   a plan takes this long
///   load-delay=20ms, load-steps=4     loading takes this long, told and stoppable in so many steps
///   load-failure=not-found            an ErrorCode in words: not-found, unreadable, damaged-file,
///                                     foreign-model, unsupported, invalid-argument, out-of-memory,
///                                     device, cancelled, internal
///   open-failure=, resolve-failure=, plan-failure=   likewise
///   lower-rung=3                      each of the session's windows from 3 (from 0) on lowers the
///                                     plan's rung by one
///   render-failure=device@3           the session's window 3 (from 0) fails, and all later ones
///   render-failure=device@3+2         windows 3 and 4 fail
///   device=cuda:0                     what ModelInfo says where the settings have "auto"
///   prepare-delay=5ms                 preparing a window ahead of time takes so long
///   delay=5ms                         a window's time besides its steps
///   write-delay=2ms                   before each frame is written
///   step-delay=2ms, steps=4           of each denoising step; the stop token is looked at before
///   it jitter=3ms                        up to so much more for each window, at random
///   no-face=400ms-800ms               frames at these times have none; may be given several times
///   no-face-mark=238                  frames whose first byte is this one have none
///   context=1s                        audio before a window that its pixels depend on
///   window-limit=24                   ModelInfo::most_window_frames
///   steps=4, resolution=64            the model's own
///   warnings=2                        so many come with the model
///   cached=2                          a cache that is on has so many of a session's first windows
///   cache-warning=words               what a cache that is on has against each window
///   cache-end-warning=words           what it has against a session's last window
///   cache-end-delay=5s                its files are written so long after the last window
///   record=off                        windows() stays empty
///
/// A frame's new pixels, those of edited_area(), are a function of its old ones, of the window's
/// times, audio and settings, and of up to 32 frames before it back to the last discontinuity. A
/// mouth that is measured is open by 0.02 times the number of its frame in the window.
namespace latentsync::fake {

/// One call of Session::render().
struct WindowRecord {
  uint64_t session = 0;  ///< counts from 1
  std::vector<int64_t> times;
  std::vector<uint64_t> pictures;  ///< picture_hash() of each frame
  std::vector<int> devices;        ///< where each frame lay
  std::vector<kernels::Scan> scans;
  bool discontinuity = false;
  AudioRange needed;
  std::vector<float> audio;  ///< as it came
  int64_t audio_start = 0;
  AudioContext context = AudioContext::kSliding;
  RenderSettings settings;
  std::optional<int64_t> deadline_ns;
  std::vector<bool> at_rest;
  bool prepared = false;             ///< prepare() had been called for it
  std::optional<ErrorCode> failure;  ///< kCancelled where it was stopped
};

/// Pixels [left, right) x [top, bottom) that an edit writes: even edges but for those of the
/// picture.
struct Area {
  int left = 0;
  int top = 0;
  int right = 0;
  int bottom = 0;
};
Area edited_area(int width, int height);

/// Of the visible bytes of all planes.
uint64_t picture_hash(const kernels::ImageView& image);

/// Forgets words, records and faults. Models and sessions that live stay alive.
void reset();
/// Adds words; throws std::invalid_argument for unknown ones.
void behave(const std::string& words);

std::vector<WindowRecord> windows();
/// kWhole: all that the last session was given so far; whether finish_audio() was called.
std::vector<float> whole_audio();
bool whole_audio_finished();
/// The settings of each successful and unsuccessful load().
std::vector<ModelSettings> loads();
/// What each plan() and each Model::open() was for, in order.
std::vector<PlanRequest> plans();
std::vector<PlanRequest> opened();
/// Where each of them was to keep its windows.
std::vector<CacheSettings> caches();
/// What a caller did against core/engine.h, in words.
std::vector<std::string> violations();

int live_models();
int live_sessions();
int sessions_opened();

/// From now on a window's time is spent by SPEND, called from the engine's thread, in place of
/// delay=, jitter= and step-delay=. It returns the seconds of the window's stages; none where STOP
/// came first. Null: as before.
using Spend = std::function<std::optional<StageSeconds>(int64_t steps, size_t frames,
                                                        const std::stop_token& stop)>;
void spend_with(Spend spend);

/// Renders (preparations, loads) that begin now wait until release() or their stop token.
void hold_renders();
void hold_prepares();
void hold_loads();
void release();
/// Renders alone.
void release_renders();
/// Waits until so many renders (loads) have begun since reset(); false after LIMIT.
bool wait_for_renders(int count, std::chrono::milliseconds limit = std::chrono::seconds(10));
bool wait_for_prepares(int count, std::chrono::milliseconds limit = std::chrono::seconds(10));
/// The same for preparations that have ended, cancelled ones too.
bool wait_for_prepared(int count, std::chrono::milliseconds limit = std::chrono::seconds(10));
bool wait_for_loads(int count, std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace latentsync::fake
