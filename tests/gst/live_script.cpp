#include "tests/gst/live_script.h"

#include "tests/gst/process.h"

#include <sstream>
#include <stdexcept>
#include <unistd.h>

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

std::string script_command(const std::string& script, const std::vector<std::string>& settings,
                           const std::string& arguments) {
  std::string command = "exec env";
  for (const std::string& setting : settings) command += " '" + setting + "'";
  return command + " '" LATENTSYNC_SOURCE_ROOT "/examples/live/" + script + "' " + arguments;
}

std::string port(int number) { return std::to_string(20000 + getpid() % 700 * 16 + number); }

}  // namespace latentsync::test
