#include "examples/transcode/complaint.h"

#include "examples/transcode/console.h"
#include "examples/transcode/threads.h"

#include <exception>
#include <new>
#include <system_error>

namespace latentsync::transcode {

Complaint current_complaint() {
  try {
    throw;
  } catch (const Problem& problem) {
    return {problem.what(), problem.status()};
  } catch (const std::system_error& error) {
    const bool threads = error.code() == std::errc::resource_unavailable_try_again;
    return {threads ? kNoThreads : error.what()};
  } catch (const std::bad_alloc&) {
    return {"memory ran out; end other programs, or give the machine more"};
  } catch (const std::exception& error) {
    return {error.what()};
  }
}

ExitStatus complain(const Complaint& complaint) {
  write_error("latentsync-transcode: " + complaint.sentence + "\n", kPatience);
  return complaint.status;
}

}  // namespace latentsync::transcode
