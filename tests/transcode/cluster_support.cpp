#include "tests/transcode/cluster_support.h"

#include <fstream>
#include <iterator>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

namespace latentsync::test {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

fs::path made_clip(const std::string& name, const std::string& options, double seconds) {
  const fs::path folder = fs::path(LATENTSYNC_TEST_MEDIA).parent_path() / "cluster-media";
  fs::create_directories(folder);
  const fs::path file = folder / name;
  if (!fs::exists(file)) {
    const fs::path partial = folder / ("partial-" + std::to_string(::getpid()) + "-" + name);
    const Finished finished =
        run_process("ffmpeg -v error -y -stream_loop -1 -i " + sample("grid_s1_sbwh7s.mp4") + " " +
                    options + " -t " + std::to_string(seconds) + " '" + partial.string() + "'");
    EXPECT_EQ(finished.status, 0) << finished.output;
    fs::rename(partial, file);
  }
  return file;
}

Cluster::Cluster(const fs::path& input, std::string options, std::string environment)
    : folder_(empty_folder()),
      name_("in" + input.extension().string()),
      options_(std::move(options)),
      environment_(std::move(environment)) {
  fs::copy_file(input, folder_ / name_);
}

Finished Cluster::run(const std::string& arguments, const std::string& environment) const {
  return transcode_in(folder_, arguments, environment_ + " " + environment);
}

std::string Cluster::shard_command(int index, const std::string& environment) const {
  return "cd '" + folder_.string() + "' && exec env LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE " " +
         environment_ + " " + environment +
         " " LATENTSYNC_TRANSCODE " --no-cache --shard plan.json:" + std::to_string(index);
}

Finished Cluster::plan(int shards) const {
  return run(name_ + " " + options_ + " --plan-shards " + std::to_string(shards) + " -o plan.json");
}

Finished Cluster::shard(int index, const std::string& environment) const {
  return run("--no-cache --shard plan.json:" + std::to_string(index), environment);
}

Finished Cluster::join(const std::string& output) const {
  return run("--join plan.json -o " + output);
}

void Cluster::make_all(int shards) const {
  for (int index = 0; index < shards; ++index) {
    const Finished made = shard(index);
    EXPECT_EQ(made.status, 0) << index << "\n" << made.output;
  }
}

const std::string& Cluster::single(const std::string& output) {
  const Finished finished = run(name_ + " " + options_ + " --no-cache -o " + output);
  EXPECT_EQ(finished.status, 0) << finished.output;
  single_ = bytes_of(folder_ / output);
  EXPECT_GT(single_.size(), 1000u);
  return single_;
}

void Cluster::expect_equal(const std::string& extension) {
  const Finished joined = join("joined" + extension);
  ASSERT_EQ(joined.status, 0) << joined.output;
  const std::string one = (folder_ / ("single" + extension)).string();
  const std::string other = (folder_ / ("joined" + extension)).string();
  single("single" + extension);
  EXPECT_EQ(frame_times(other), frame_times(one));
  EXPECT_EQ(frame_hashes(other), frame_hashes(one));
  EXPECT_EQ(sound_hash(other), sound_hash(one));
  EXPECT_TRUE(bytes_of(other) == single_) << "other bytes";
}

std::vector<fs::path> Cluster::files_of(int index) const {
  char name[16];
  std::snprintf(name, sizeof name, "%05d-", index);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_ / "plan.json.parts")) {
    if (entry.path().filename().string().starts_with(name)) {
      files.push_back(entry.path());
    }
  }
  return files;
}

}  // namespace latentsync::test
