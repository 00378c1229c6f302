#pragma once

#include "tests/transcode/operations.h"

#include <string>
#include <vector>

/// A clip that is planned, made in shards and joined, in a folder of the test's own.
namespace latentsync::test {

class Cluster {
 public:
  /// INPUT is copied as in.EXTENSION. OPTIONS: of the run. ENVIRONMENT: words before each command.
  Cluster(const std::filesystem::path& input, std::string options = "",
          std::string environment = "");

  const std::filesystem::path& folder() const { return folder_; }
  /// Runs the command line there.
  Finished run(const std::string& arguments, const std::string& environment = "") const;
  /// A shell command in the folder for shard INDEX, to be run beside others.
  std::string shard_command(int index, const std::string& environment = "") const;
  Finished plan(int shards) const;
  Finished shard(int index, const std::string& environment = "") const;
  Finished join(const std::string& output = "joined.mkv") const;
  /// Fails the test unless all SHARDS are made.
  void make_all(int shards) const;

  /// The bytes of one run over the whole, written to OUTPUT.
  const std::string& single(const std::string& output = "single.mkv");
  /// Fails the test unless joining the parts makes the bytes of one run.
  void expect_equal(const std::string& extension = ".mkv");
  /// The files of part INDEX, without its record.
  std::vector<std::filesystem::path> files_of(int index) const;

 private:
  std::filesystem::path folder_;
  std::string name_;
  std::string options_;
  std::string environment_;
  std::string single_;
};

/// A clip of SECONDS by ffmpeg's OPTIONS, of a sample's picture and sound; made once.
std::filesystem::path made_clip(const std::string& name, const std::string& options,
                                double seconds = 4);

std::string bytes_of(const std::filesystem::path& file);

}  // namespace latentsync::test
