#include "core/model/torch_zip_format.h"

#include "core/model/pickle.h"
#include "core/model/zip_archive.h"

#include <set>
#include <string_view>
#include <utility>

namespace latentsync::model {
namespace {

constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxNameSize = 1000;
// Of all names together. Those of the published UNet have 0.2 MB.
constexpr size_t kMaxNamesSize = 32u << 20;

/// The one folder in the zip that holds data.pkl, with its slash.
std::string find_folder(const ZipEntries& entries, const std::string& path) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string folder;
  for (const auto& [name, bytes] : entries) {
    if (!name.ends_with(kPickle) || name.find('/') != name.size() - kPickle.size()) continue;
    if (!folder.empty()) refuse_damaged(path, "it contains two pickles");
    folder = name.substr(0, name.size() - kPickle.size() + 1);
  }
  if (folder.empty()) {
    refuse_unsupported(path, "it is a zip file, but torch.save did not write it (no data.pkl)");
  }
  if (entries.contains(folder + "constants.pkl")) {
    refuse_unsupported(path,
                       "it is a TorchScript program. Save only the weights: "
                       "torch.save(model.state_dict(), FILE)");
  }
  return folder;
}

void check_byte_order(const ZipEntries& entries, const std::string& folder,
                      const std::string& path) {
  const auto record = entries.find(folder + "byteorder");
  if (record == entries.end()) return;  // PyTorch before 2.1: always little
  const std::string_view order(reinterpret_cast<const char*>(record->second.data()),
                               record->second.size());
  if (order == "big") refuse_unsupported(path, "it was saved on a big-endian machine");
  if (order != "little") refuse_damaged(path, "its byte order is " + name_text(order));
}

class Flattener {
 public:
  Flattener(const Pickle& pickle, const ZipEntries& entries, std::string folder,
            std::span<const uint8_t> file, const std::string& path)
      : pickle_(pickle), entries_(entries), folder_(std::move(folder)), file_(file), path_(path) {}

  TensorListing flatten() {
    if (pickle_.nodes[pickle_.root].kind != PickleNode::Kind::kDict) {
      refuse_unsupported(path_, "it contains no dict of tensors");
    }
    visit(pickle_.root, "", 0);
    return std::move(listing_);
  }

 private:
  void visit(uint32_t index, const std::string& name, size_t depth) {
    // Shared containers can stand for more values than the pickle has objects, and can be cycles.
    if (++visits_ > kMaxPickleObjects || depth > kMaxDepth) {
      refuse_damaged(path_, "its dicts and lists are nested too deeply, at " + name_text(name));
    }
    const PickleNode& node = pickle_.nodes[index];
    switch (node.kind) {
      case PickleNode::Kind::kDict:
        return visit_dict(node, name, depth);
      case PickleNode::Kind::kList:
      case PickleNode::Kind::kTuple:
        for (size_t i = 0; i < node.items.size(); ++i) {
          visit(node.items[i], joined(name, std::to_string(i)), depth + 1);
        }
        return;
      case PickleNode::Kind::kInteger:
        claim(name);
        listing_.integers.emplace(name, node.integer);
        return;
      case PickleNode::Kind::kTensor:
        claim(name);
        listing_.tensors.push_back(
            describe(name, pickle_.tensors[static_cast<size_t>(node.integer)]));
        return;
      default:
        return;
    }
  }

  void visit_dict(const PickleNode& dict, const std::string& name, size_t depth) {
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleNode& key = pickle_.nodes[dict.items[i]];
      if (key.kind == PickleNode::Kind::kString) {
        visit(dict.items[i + 1], joined(name, key.text), depth + 1);
      } else if (key.kind == PickleNode::Kind::kInteger) {
        visit(dict.items[i + 1], joined(name, std::to_string(key.integer)), depth + 1);
      } else {
        refuse_damaged(path_,
                       "a dict in it, " + name_text(name) + ", has a key that is not a string");
      }
    }
  }

  std::string joined(const std::string& name, const std::string& key) const {
    if (name.size() + key.size() > kMaxNameSize) {
      refuse_damaged(path_, "it has a name that is too long, " + name_text(key));
    }
    return name.empty() ? key : name + "." + key;
  }

  void claim(const std::string& name) {
    names_size_ += name.size();
    if (names_size_ > kMaxNamesSize) {
      refuse_damaged(path_, "its names together exceed the size limit, at " + name_text(name));
    }
    if (!names_.insert(name).second) {
      refuse_damaged(path_, "it holds " + name_text(name) + " twice");
    }
  }

  TensorDescription describe(const std::string& name, const PickledTensor& tensor) const {
    const std::string subject = "tensor " + name_text(name);
    const std::string& key = pickle_.nodes[tensor.storage_key].text;
    const auto record = entries_.find(folder_ + "data/" + key);
    if (record == entries_.end()) {
      refuse_damaged(
          path_, subject + " lies in the storage " + name_text(key) + ", which is not in the file");
    }
    const size_t item = element_size(tensor.type);
    const auto storage = record->second;
    if (storage.size() % item != 0 || storage.size() / item != tensor.storage_elements) {
      refuse_damaged(path_, subject + " lies in a storage whose size differs from the stated one",
                     std::to_string(storage.size()) + " bytes, claimed " +
                         std::to_string(tensor.storage_elements) + " elements of " +
                         std::to_string(item) + " bytes");
    }
    const auto contiguous = contiguous_strides(tensor.shape);
    const auto elements = contiguous ? extent(tensor.shape, *contiguous) : std::nullopt;
    const auto needed = elements ? extent(tensor.shape, tensor.strides) : std::nullopt;
    uint64_t end = 0;
    if (!needed || __builtin_add_overflow(static_cast<uint64_t>(tensor.offset), *needed, &end) ||
        (*needed > 0 && end > tensor.storage_elements)) {
      refuse_damaged(
          path_, subject + " " + shape_text(tensor.shape) + " reaches beyond its storage",
          "offset " + std::to_string(tensor.offset) + ", strides " + shape_text(tensor.strides) +
              ", storage " + std::to_string(tensor.storage_elements) + " elements");
    }
    // A few stored numbers, repeated by strides of 0, could stand for any amount of memory.
    if (*elements > tensor.storage_elements) {
      refuse_unsupported(
          path_, subject + " " + shape_text(tensor.shape) +
                     " uses elements of its storage more than once. Save it with .contiguous()");
    }
    const auto begin = static_cast<uint64_t>(storage.data() - file_.data());
    return {.name = name,
            .type = tensor.type,
            .shape = tensor.shape,
            .strides = tensor.strides,
            .begin = *needed > 0 ? begin + static_cast<uint64_t>(tensor.offset) * item : begin,
            .bytes = *needed * item};
  }

  const Pickle& pickle_;
  const ZipEntries& entries_;
  const std::string folder_;
  std::span<const uint8_t> file_;
  const std::string& path_;
  TensorListing listing_;
  std::set<std::string> names_;
  size_t visits_ = 0;
  size_t names_size_ = 0;
};

}  // namespace

TensorListing list_torch_zip(std::span<const uint8_t> file, const std::string& path) {
  const ZipEntries entries = list_zip(file, path);
  const std::string folder = find_folder(entries, path);
  check_byte_order(entries, folder, path);
  const Pickle pickle = read_pickle(entries.at(folder + "data.pkl"), path);
  return Flattener(pickle, entries, folder, file, path).flatten();
}

}  // namespace latentsync::model
