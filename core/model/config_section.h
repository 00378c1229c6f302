#pragma once

#include "core/model/config.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace latentsync::model {

/// One object of a config.json, read key by key, so that what nobody asked for can be refused.
/// A key whose value is null counts as absent. Errors: as in config.h.
class ConfigSection {
 public:
  /// JSON may be null: then nothing is said. NAME stands before the keys in messages; ORIGIN is the
  /// config file, MODEL the model file that it is compared with.
  ConfigSection(const nlohmann::json* json, std::string name, std::string origin,
                std::string model);

  /// The section SIGN belongs to: the object under NAME, or the whole file where that is such a
  /// section itself, which it is when it has the key SIGN.
  static ConfigSection of(const ConfigFile& config, const std::string& name,
                          const std::string& sign, const std::string& model);

  std::optional<int64_t> integer(const std::string& key, int64_t least, int64_t most);
  /// One number, or a list of equal ones.
  std::optional<int64_t> integer_for_all(const std::string& key, int64_t least, int64_t most);
  std::optional<double> number(const std::string& key, double least, double most);
  std::optional<bool> boolean(const std::string& key);
  std::optional<std::string> text(const std::string& key);
  std::optional<std::vector<int64_t>> integers(const std::string& key);
  std::optional<std::vector<std::string>> texts(const std::string& key);
  ConfigSection section(const std::string& key);

  /// Refuses (kForeignModel) another value than the model file's.
  void agree(const std::string& key, int64_t in_file);
  void agree(const std::string& key, const std::vector<int64_t>& in_file);
  void agree(const std::string& key, const std::vector<std::string>& in_file);

  /// Refuses (kUnsupported) every value but these.
  void only(const std::string& key, std::initializer_list<nlohmann::json> allowed);
  /// For what is right to overlook.
  void ignore(std::initializer_list<const char*> keys);

  /// Refuses (kUnsupported) the keys that nothing above has named, unless they begin with '_' or
  /// are false: they could mean anything.
  void refuse_the_rest() const;

  /// Throws kForeignModel: the config says IN_CONFIG for KEY, the model file IN_FILE.
  [[noreturn]] void refuse_disagreement(const std::string& key, const std::string& in_config,
                                        const std::string& in_file) const;
  /// Throws kDamagedFile: KEY must be EXPECTED.
  [[noreturn]] void refuse_value(const std::string& key, const std::string& expected) const;

 private:
  const nlohmann::json* find(const std::string& key);
  std::string full_name(const std::string& key) const;
  [[noreturn]] void refuse_unsupported_value(const std::string& key) const;
  void agree_json(const std::string& key, const nlohmann::json& in_file);

  const nlohmann::json* json_;
  std::string name_;
  std::string origin_;
  std::string model_;
  std::set<std::string> asked_;
};

}  // namespace latentsync::model
