#include "examples/transcode/interrupt.h"

#include "examples/transcode/console.h"

#include <atomic>
#include <csignal>
#include <initializer_list>
#include <unistd.h>
#include <utility>

namespace latentsync::transcode {
namespace {

std::atomic<int> interrupts = 0;
std::atomic<int> stopped_by = 0;  // the first signal
std::atomic<bool> counting = false;
std::atomic<bool> ending = false;
std::atomic<const Farewell*> farewell = nullptr;
static_assert(std::atomic<const Farewell*>::is_always_lock_free, "signal handlers use it");

constexpr std::string_view kInterruptedLine = "latentsync-transcode: interrupted\n";

void on_interrupt(int signal) {
  // A limit of processor time raises its signal every second.
  if (signal == SIGXCPU && interrupts > 0) {
    return;
  }
  int none = 0;
  stopped_by.compare_exchange_strong(none, signal);
  if (interrupts++ == 0 && counting) {
    return;
  }
  // Another thread may be ending the process already.
  if (!ending.exchange(true)) {
    const ExitStatus status = Farewell::say();
    Farewell::remove_files();
    ::_exit(status);
  }
}

void on_kill(int signal) {
  if (!ending.exchange(true)) {
    Farewell::remove_files();
  }
  // Its own action was put back when this handler was entered.
  ::raise(signal);
}

/// Takes over the end of the process, or waits for it where another thread has.
void wait_if_ending() {
  while (ending.exchange(true)) {
    ::pause();
  }
}

void handle(std::initializer_list<int> signals, void (*handler)(int), int flags) {
  for (const int signal : signals) {
    struct sigaction action = {};
    sigaction(signal, nullptr, &action);
    const bool is_default = (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
    // A shell without job control ignores SIGINT in what it runs in the background, where kill -INT
    // is still meant.
    if (is_default || signal == SIGINT || signal == SIGTERM) {
      action = {};
      action.sa_handler = handler;
      action.sa_flags = flags;
      sigaction(signal, &action, nullptr);
    }
  }
}

}  // namespace

void handle_signals() {
  handle({SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGXCPU}, on_interrupt, SA_RESTART);
  handle({SIGQUIT, SIGUSR2, SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}, on_kill,
         SA_RESETHAND);
  // A reader of standard error who is gone, or a limit of file sizes, is an error of the write.
  handle({SIGPIPE, SIGXFSZ}, SIG_IGN, 0);
}

ExitStatus stopped_status() noexcept {
  const int signal = stopped_by;
  return signal == SIGTERM || signal == SIGUSR1 ? kTerminated : kInterrupted;
}

void end_interrupted() {
  wait_if_ending();
  const ExitStatus status = Farewell::say();
  Farewell::remove_files();
  ::_exit(status);
}

void end_failed(std::string_view line, ExitStatus status) {
  wait_if_ending();
  write_error(line, kPatience);
  Farewell::remove_files();
  ::_exit(status);
}

Interrupt::Interrupt() {
  interrupts = 0;
  counting = true;
}

Interrupt::~Interrupt() { counting = false; }

int Interrupt::count() { return interrupts; }

Farewell::Farewell(const std::string& state, std::vector<std::string> files,
                   std::optional<ExitStatus> status)
    : line_("latentsync-transcode: interrupted: " + state + "\n"),
      files_(std::move(files)),
      status_(status),
      before_(farewell) {
  if (isatty(STDERR_FILENO) == 1) {
    line_.insert(0, "\n");
  }
  farewell = this;
}

Farewell::~Farewell() {
  farewell = before_;
  // A signal handler of another thread may be reading this: then the process is about to end.
  while (ending) {
    ::pause();
  }
}

bool Farewell::pending() noexcept { return farewell.load() != nullptr; }

ExitStatus Farewell::say() noexcept {
  const Farewell* last = farewell;
  write_error(last == nullptr ? kInterruptedLine : std::string_view(last->line_), kPatience);
  return last == nullptr ? stopped_status() : last->status_.value_or(stopped_status());
}

void Farewell::remove_files() noexcept {
  if (const Farewell* last = farewell) {
    for (const std::string& file : last->files_) {
      ::unlink(file.c_str());
    }
  }
}

}  // namespace latentsync::transcode
