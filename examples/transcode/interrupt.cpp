#include "examples/transcode/interrupt.h"

#include <atomic>
#include <csignal>

namespace latentsync::transcode {
namespace {

std::atomic<int> interrupts = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler writes it");

void note(int) { ++interrupts; }

void handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  interrupts = 0;
  handle(note);
}

Interrupt::~Interrupt() { handle(SIG_DFL); }

int Interrupt::count() { return interrupts; }

}  // namespace latentsync::transcode
