#include "tests/gst/live_script.h"

#include "tests/gst/process.h"

#include <sstream>
#include <stdexcept>

namespace latentsync::test {

std::vector<std::string> script_pipeline(const std::string& script,
                                         const std::vector<std::string>& settings,
                                         const std::string& arguments) {
  // The script's last command prints its arguments in place of running them.
  std::string command = "export LAUNCH='printf %s\\n'; ";
  for (const std::string& setting : settings) {
    const size_t name = setting.find('=');
    command += "export " + setting.substr(0, name) + "='" + setting.substr(name + 1) + "'; ";
  }
  const Finished finished = run_process(command + "'" LATENTSYNC_SOURCE_ROOT "/examples/live/" +
                                        script + "' " + arguments);
  if (finished.status != 0) throw std::runtime_error(script + ": " + finished.output);
  std::vector<std::string> words;
  std::istringstream lines(finished.output);
  for (std::string word; std::getline(lines, word);) words.push_back(word);
  return words;
}

}  // namespace latentsync::test
