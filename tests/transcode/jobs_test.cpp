#include "tests/transcode/cluster_support.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

/// Shards as jobs of a scheduler, that are killed, evicted, run twice and started again.
namespace latentsync::test {
namespace {

namespace fs = std::filesystem;

constexpr char kExamples[] = LATENTSYNC_SOURCE_ROOT "/examples/cluster";
constexpr char kHere[] = LATENTSYNC_SOURCE_ROOT "/tests/transcode";
constexpr int kNoSlurm = 77;
constexpr int kKilled = 128 + 9;

/// A clip of SECONDS at 25 frames/s.
fs::path small_clip(int seconds) {
  return made_clip("jobs-" + std::to_string(seconds) + ".mp4",
                   "-vf scale=96:64 -c:v libx264 -preset ultrafast -crf 20 -c:a aac", seconds);
}

/// Shell words: the program on the PATH, with the fake engine and a cache of the test's own.
std::string environment(const fs::path& folder, const std::string& fake) {
  return "export PATH='" + fs::path(LATENTSYNC_TRANSCODE).parent_path().string() +
         "':$PATH LATENTSYNC_ENGINE=" LATENTSYNC_FAKE_ENGINE " LATENTSYNC_FAKE=" + fake +
         " XDG_CACHE_HOME='" + (folder / "cache").string() + "'; cd '" + folder.string() + "'; ";
}

size_t count_of(const std::string& words, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    ++count;
  }
  return count;
}

/// Slurm on this machine while it lives.
class SlurmNode {
 public:
  explicit SlurmNode(fs::path folder) : folder_(std::move(folder)) {
    started_ = run_process(std::string(kHere) + "/slurm_node.sh start " + folder_.string());
  }
  ~SlurmNode() { run_process(std::string(kHere) + "/slurm_node.sh stop " + folder_.string()); }
  SlurmNode(const SlurmNode&) = delete;
  SlurmNode& operator=(const SlurmNode&) = delete;

  const Finished& started() const { return started_; }
  std::string environment() const {
    return "export SLURM_CONF='" + (folder_ / "slurm.conf").string() + "'; ";
  }

 private:
  fs::path folder_;
  Finished started_;
};

/// The scripts of examples/cluster/slurm on a real Slurm: a shard that is killed and one that is
/// requeued are made again, and the joining job makes the file of one run.
TEST(Slurm, ArrayWithAKillAndARequeue) {
  Cluster cluster(small_clip(6));
  const fs::path folder = cluster.folder();
  const SlurmNode node(fs::path("/tmp") / ("latentsync-slurm-" + std::to_string(::getpid())));
  if (node.started().status == kNoSlurm) {
    std::cout << "Slurm cannot be tested here: " << node.started().output << std::flush;
    GTEST_SKIP() << node.started().output;
  }
  ASSERT_EQ(node.started().status, 0) << node.started().output;
  const std::string parts = (folder / "joined.mkv.plan.json.parts").string();
  const Finished finished = run_process(
      environment(folder, "delay=800ms") + node.environment() + "jobs=$(" + kExamples +
      "/slurm/run.sh in.mp4 joined.mkv --shards 4) || exit; echo $jobs; "
      "array=${jobs#*array job }; array=${array%%,*}; "
      // Two shards run by now: one is killed, the other one evicted.
      "pids() { pgrep -f '[l]atentsync-transcode --shard " +
      folder.string() +
      "'; }; "
      "until [ $(ls " +
      parts +
      "/*.partial 2>/dev/null | wc -l) -ge 4 ]; do sleep 0.05; done; "
      "for process in $(pids); do grep -qz SLURM_ARRAY_TASK_ID=0 /proc/$process/environ && kill "
      "-KILL $process; done; scontrol requeue ${array}_3 || exit; "
      "for second in $(seq 60); do [ -n \"$(squeue -h)\" ] || break; sleep 1; done; "
      "squeue; cat joined.mkv.*.log");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_GE(count_of("DUE TO JOB REQUEUE", finished.output), 2u) << finished.output;
  EXPECT_TRUE(bytes_of(folder / "joined.mkv") == cluster.single()) << finished.output;
}

/// Where the packages for manifests lie; empty: they cannot be installed.
std::string kubernetes_tools() {
  const fs::path folder = fs::path(LATENTSYNC_TEST_MEDIA).parent_path() / "kubernetes-validate";
  const Finished installed =
      run_process("test -x " + (folder / "bin/kubernetes-validate").string() +
                  " || (python3 -m venv " + folder.string() + " && timeout 120 " +
                  (folder / "bin/pip").string() + " install --quiet kubernetes-validate==1.37.0)");
  if (installed.status != 0) {
    std::cout << "manifests cannot be tested here: " << installed.output << std::flush;
    return "";
  }
  return (folder / "bin").string();
}

/// The manifests are valid by the schemas that Kubernetes publishes, from the first version that
/// has backoffLimitPerIndex by default.
TEST(Kubernetes, ManifestsAreValid) {
  const std::string tools = kubernetes_tools();
  if (tools.empty()) GTEST_SKIP() << "kubernetes-validate cannot be installed";
  for (const char* version : {"1.29", "1.37"}) {
    const Finished finished = run_process(tools + "/kubernetes-validate --strict --quiet -k " +
                                          version + " " + kExamples + "/kubernetes/*.yaml");
    EXPECT_EQ(finished.status, 0) << version << "\n" << finished.output;
  }
}

/// The Jobs, run as a cluster would run them, with an eviction, a pod that SIGKILL ends, and two
/// pods of one index at once, make the file of one run.
TEST(Kubernetes, JobsWithEvictionsEqualOneRun) {
  const std::string tools = kubernetes_tools();
  if (tools.empty()) GTEST_SKIP() << "kubernetes-validate, with PyYAML, cannot be installed";
  Cluster cluster(small_clip(6));
  const fs::path folder = cluster.folder();
  run_process("for job in plan shards join; do sed 's/\\b64\\b/4/; s/device=cuda/device=cpu/' " +
              std::string(kExamples) + "/kubernetes/$job.yaml >'" + folder.string() +
              "'/$job.yaml; done");
  const std::string job = tools + "/python3 " + kHere + "/kubelet.py --data '" + folder.string() +
                          "' --program " LATENTSYNC_TRANSCODE " ";
  const Finished finished =
      run_process(environment(folder, "delay=500ms") + job + "plan.yaml && " + job +
                  "shards.yaml --evict 1 --lose 3 --twice 2 --after 0.7 && " + job +
                  "join.yaml; status=$?; cat pod-*.log; exit $status");
  ASSERT_EQ(finished.status, 0) << finished.output;
  EXPECT_NE(finished.output.find("index 1: 143 Ignore evicted"), std::string::npos)
      << finished.output;
  EXPECT_NE(finished.output.find("index 3: 137 Ignore evicted"), std::string::npos)
      << finished.output;
  EXPECT_EQ(count_of("index 2: 0 Complete", finished.output), 2u) << finished.output;
  const Finished single = cluster.run("in.mp4 --no-cache -o single.mp4");
  ASSERT_EQ(single.status, 0) << single.output;
  EXPECT_TRUE(bytes_of(folder / "out.mp4") == bytes_of(folder / "single.mp4"));
}

/// A job whose input is another one ends at once: its index fails, and is not tried again.
TEST(Kubernetes, WrongInputFailsTheIndex) {
  const std::string tools = kubernetes_tools();
  if (tools.empty()) GTEST_SKIP() << "kubernetes-validate, with PyYAML, cannot be installed";
  Cluster cluster(small_clip(6));
  ASSERT_EQ(cluster.run("in.mp4 --plan-shards 4 -o out.mp4.plan.json").status, 0);
  fs::copy_file(media("rate-25.mp4"), cluster.folder() / "in.mp4",
                fs::copy_options::overwrite_existing);
  const Finished finished =
      run_process(environment(cluster.folder(), "record=off") + "sed 's/\\b64\\b/4/' " + kExamples +
                  "/kubernetes/shards.yaml >shards.yaml; " + tools + "/python3 " + kHere +
                  "/kubelet.py --data '" + cluster.folder().string() +
                  "' --program " LATENTSYNC_TRANSCODE " shards.yaml");
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.output.find(": 3 FailIndex"), std::string::npos) << finished.output;
}

/// $LATENTSYNC_KILLS: how many, else a few.
int kills_wanted() {
  const char* text = std::getenv("LATENTSYNC_KILLS");
  return text == nullptr ? 8 : std::atoi(text);
}

/// However often shards are killed and evicted, at any moment and at named points of the writing of
/// their parts, the parts that are there in the end make the file of one run.
TEST(Kills, SixteenShardsAreAlwaysEqual) {
  constexpr int kShards = 16;
  Cluster cluster(small_clip(11));
  const std::string& single = cluster.single();
  const int wanted = kills_wanted();
  std::minstd_rand random(1);
  std::uniform_real_distribution<> moment(0.02, 0.6);
  int killed = 0;
  int evicted = 0;
  int rounds = 0;
  while (killed + evicted < wanted && !testing::Test::HasFailure()) {
    fs::remove_all(cluster.folder() / "plan.json.parts");
    ASSERT_EQ(cluster.plan(kShards).status, 0);
    for (int index = 0; index < kShards; ++index) {
      for (bool made = false; !made && !testing::Test::HasFailure();) {
        std::string how;
        if (killed + evicted < wanted) {
          const int kind = std::uniform_int_distribution<>(0, 3)(random);
          how = kind < 2    ? "timeout -s KILL " + std::to_string(moment(random))
                : kind == 2 ? "timeout -k 2 -s TERM " + std::to_string(moment(random))
                            : "LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}" LATENTSYNC_PRELOAD
                              "/libsudden-death.so LATENTSYNC_KILL_AT=output:" +
                                  std::to_string(random() % 2 + 1);
        }
        const Finished finished = run_process(cluster.shard_command(index, how));
        killed += finished.status == kKilled ? 1 : 0;
        evicted += finished.status == 143 || finished.status == 124 ? 1 : 0;
        made = finished.status == 0;
        EXPECT_TRUE(made || finished.status == kKilled || finished.status == 143 ||
                    finished.status == 124)
            << how << "\n"
            << finished.output;
      }
    }
    const Finished joined = cluster.join();
    ASSERT_EQ(joined.status, 0) << joined.output;
    EXPECT_TRUE(bytes_of(cluster.folder() / "joined.mkv") == single) << "round " << rounds;
    for (const auto& entry : fs::directory_iterator(cluster.folder() / "plan.json.parts")) {
      EXPECT_EQ(entry.path().string().find(".partial"), std::string::npos) << entry.path();
    }
    ++rounds;
  }
  std::printf("%d kills and %d evictions in %d rounds of %d shards\n", killed, evicted, rounds,
              kShards);
}

}  // namespace
}  // namespace latentsync::test
