#include "core/model/pickle.h"

#include "core/model/pickle_opcodes.h"

#include <cstdio>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace latentsync::model {
namespace {

using Kind = PickleNode::Kind;

constexpr size_t kLongestName = 256;  // of a Python object or a storage

class Interpreter {
 public:
  Interpreter(std::span<const uint8_t> data, const std::string& path) : data_(data), path_(path) {}

  Pickle run() {
    if (data_.size() > kMaxPickleSize) {
      refuse("its pickle exceeds the size limit", std::to_string(data_.size()) + " bytes");
    }
    if (take<uint8_t>() != kProtocol) refuse("its pickle does not begin with a protocol");
    if (const auto protocol = take<uint8_t>(); protocol != 2) {
      refuse_unsupported(path_, "it is pickled with protocol " + std::to_string(protocol) +
                                    ", and 2 is read here. Convert it once in Python: "
                                    "torch.save(torch.load(FILE, weights_only=True), FILE)");
    }
    for (uint8_t opcode = take<uint8_t>(); opcode != kStop; opcode = take<uint8_t>()) {
      step(opcode);
    }
    if (position_ != data_.size()) refuse("bytes follow the end of its pickle");
    if (stack_.size() != 1 || !marks_.empty()) refuse("its pickle ends inside an object");
    result_.root = stack_.back();
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what, std::string detail = {}) const {
    if (detail.empty()) detail = "pickle byte " + std::to_string(position_);
    refuse_damaged(path_, what, std::move(detail));
  }

  std::span<const uint8_t> take_bytes(uint64_t count) {
    if (data_.size() - position_ < count) refuse("its pickle is cut short");
    const auto bytes = data_.subspan(position_, count);
    position_ += count;
    return bytes;
  }

  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof value).data(), sizeof value);
    return value;
  }

  std::string take_line() {
    std::string line;
    for (char c = static_cast<char>(take<uint8_t>()); c != '\n';
         c = static_cast<char>(take<uint8_t>())) {
      if (line.size() == kLongestName) refuse("its pickle has a name that is too long");
      line += c;
    }
    return line;
  }

  uint32_t push(PickleNode node) {
    if (result_.nodes.size() >= kMaxPickleObjects) refuse_count();
    result_.nodes.push_back(std::move(node));
    const auto index = static_cast<uint32_t>(result_.nodes.size() - 1);
    push_index(index);
    return index;
  }

  void push_index(uint32_t index) {
    if (stack_.size() >= kMaxPickleObjects) refuse_count();
    stack_.push_back(index);
  }

  [[noreturn]] void refuse_count() const {
    refuse("its pickle holds more than " + std::to_string(kMaxPickleObjects) + " objects");
  }

  /// Objects below the last mark are out of reach until it is taken.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  uint32_t pop() {
    if (stack_.size() <= floor()) refuse("its pickle pops an object from an empty stack");
    const uint32_t index = stack_.back();
    stack_.pop_back();
    return index;
  }

  std::vector<uint32_t> pop_to_mark() {
    if (marks_.empty()) refuse("its pickle pops a mark that was never set");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<uint32_t> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  PickleNode& top(Kind kind, const char* what) {
    if (stack_.size() <= floor()) refuse("its pickle pops an object from an empty stack");
    PickleNode& node = result_.nodes[stack_.back()];
    if (node.kind != kind) refuse(std::string("its pickle ") + what);
    return node;
  }

  const PickleNode& node(uint32_t index) const { return result_.nodes[index]; }

  void push_integer(int64_t value) { push({.kind = Kind::kInteger, .integer = value}); }

  void step(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        if (marks_.size() >= kMaxPickleObjects) refuse_count();
        return marks_.push_back(stack_.size());
      case kNone:
      case kNewTrue:
      case kNewFalse:
        return static_cast<void>(push({}));
      case kBinFloat:
        take_bytes(8);
        return static_cast<void>(push({}));
      case kBinInt:
        return push_integer(take<int32_t>());
      case kBinInt1:
        return push_integer(take<uint8_t>());
      case kBinInt2:
        return push_integer(take<uint16_t>());
      case kLong1:
        return push_integer(take_long());
      case kBinUnicode: {
        const auto text = take_bytes(take<uint32_t>());
        push({.kind = Kind::kString,
              .text = std::string(reinterpret_cast<const char*>(text.data()), text.size())});
        return;
      }
      case kEmptyTuple:
        return push_tuple({});
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return push_tuple(pop_last(opcode - kTuple1 + 1u));
      case kTuple:
        return push_tuple(pop_to_mark());
      default:
        return step_containers(opcode);
    }
  }

  void step_containers(uint8_t opcode) {
    switch (opcode) {
      case kEmptyList:
        return static_cast<void>(push({.kind = Kind::kList}));
      case kEmptyDict:
        return static_cast<void>(push({.kind = Kind::kDict}));
      case kAppend:
        return append(pop_last(1));
      case kAppends:
        return append(pop_to_mark());
      case kSetItem:
        return set_items(pop_last(2));
      case kSetItems:
        return set_items(pop_to_mark());
      case kBinPut:
        return remember(take<uint8_t>());
      case kLongBinPut:
        return remember(take<uint32_t>());
      case kBinGet:
        return recall(take<uint8_t>());
      case kLongBinGet:
        return recall(take<uint32_t>());
      case kGlobal:
        return push_global();
      case kBinPersistentId:
        return push_storage(pop());
      case kReduce:
        return reduce();
      case kBuild:
        return build();
      default:
        refuse_opcode(opcode);
    }
  }

  [[noreturn]] void refuse_opcode(uint8_t opcode) const {
    char code[8];
    std::snprintf(code, sizeof code, "0x%02x", opcode);
    std::string name = code;
    for (const auto& [known, text] : kRefusedOpcodes) {
      if (known == opcode) name = std::string(text) + " (" + code + ")";
    }
    refuse_unsupported(
        path_, "its pickle uses the opcode " + name + ", which a file of weights does not need",
        "pickle byte " + std::to_string(position_ - 1));
  }

  int64_t take_long() {
    const auto bytes = take_bytes(take<uint8_t>());
    if (bytes.size() > sizeof(int64_t)) {
      refuse_unsupported(path_, "its pickle holds an integer over 64 bits");
    }
    const bool negative = !bytes.empty() && (bytes.back() & 0x80) != 0;
    int64_t value = negative ? -1 : 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  std::vector<uint32_t> pop_last(size_t count) {
    std::vector<uint32_t> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  void push_tuple(std::vector<uint32_t> items) {
    push({.kind = Kind::kTuple, .items = std::move(items)});
  }

  void append(const std::vector<uint32_t>& values) {
    PickleNode& list = top(Kind::kList, "appends to something that is not a list");
    list.items.insert(list.items.end(), values.begin(), values.end());
  }

  void set_items(const std::vector<uint32_t>& pairs) {
    if (pairs.size() % 2 != 0) refuse("its pickle sets a key without a value");
    PickleNode& dict = top(Kind::kDict, "sets a key of something that is not a dict");
    dict.items.insert(dict.items.end(), pairs.begin(), pairs.end());
  }

  void remember(uint32_t number) {
    if (stack_.size() <= floor()) refuse("its pickle memoizes an object from an empty stack");
    if (memo_.size() >= kMaxPickleObjects) refuse_count();
    memo_[number] = stack_.back();
  }

  void recall(uint32_t number) {
    const auto found = memo_.find(number);
    if (found == memo_.end()) {
      refuse("its pickle reads memo entry " + std::to_string(number) + ", which was never stored");
    }
    push_index(found->second);
  }

  void push_global() {
    const std::string module = take_line();
    const std::string name = module + "." + take_line();
    for (const KnownGlobal& known : kKnownGlobals) {
      if (known.name != name) continue;
      push({.kind = Kind::kGlobal, .integer = known.id, .type = known.type});
      return;
    }
    refuse_unsupported(
        path_,
        "it refers to the Python object " + name_text(name) +
            ", but only tensors, dicts, lists, numbers and strings are supported. Save "
            "only the weights: torch.save(model.state_dict(), FILE)",
        "pickle byte " + std::to_string(position_));
  }

  /// ("storage", its type, its key in the zip, the device it was on, its number of elements)
  void push_storage(uint32_t id) {
    const PickleNode& tuple = node(id);
    if (tuple.kind != Kind::kTuple || tuple.items.size() != 5 ||
        node(tuple.items[0]).kind != Kind::kString || node(tuple.items[0]).text != "storage") {
      refuse("its pickle has a persistent ID that is not a tensor storage");
    }
    const PickleNode& type = node(tuple.items[1]);
    const PickleNode& key = node(tuple.items[2]);
    const PickleNode& elements = node(tuple.items[4]);
    if (type.kind != Kind::kGlobal || type.integer != kStorageType || key.kind != Kind::kString ||
        node(tuple.items[3]).kind != Kind::kString || elements.kind != Kind::kInteger ||
        elements.integer < 0) {
      refuse("its pickle refers to a malformed tensor storage");
    }
    if (key.text.size() > kLongestName) refuse("its pickle has a name that is too long");
    push({.kind = Kind::kStorage,
          .integer = elements.integer,
          .type = type.type,
          .key = tuple.items[2]});
  }

  void reduce() {
    const std::vector<uint32_t> both = pop_last(2);
    const PickleNode& callable = node(both[0]);
    const PickleNode& arguments = node(both[1]);
    if (callable.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) {
      refuse("its pickle calls something that is not a function");
    }
    switch (callable.integer) {
      case kOrderedDict:
        if (!arguments.items.empty()) refuse("its pickle constructs an OrderedDict with arguments");
        push({.kind = Kind::kDict});
        return;
      case kRebuildTensor:
        return push_tensor(arguments.items);
      case kRebuildParameter:
        if (arguments.items.size() != 3 || node(arguments.items[0]).kind != Kind::kTensor) {
          refuse("its pickle constructs a parameter from something that is not a tensor");
        }
        return push_index(arguments.items[0]);
      default:
        refuse("its pickle calls a storage type");
    }
  }

  /// (storage, offset, shape, strides, requires_grad, hooks[, metadata])
  void push_tensor(const std::vector<uint32_t>& arguments) {
    if (arguments.size() < 6 || arguments.size() > 7 || node(arguments[0]).kind != Kind::kStorage ||
        node(arguments[1]).kind != Kind::kInteger || node(arguments[1]).integer < 0) {
      refuse("its pickle constructs a tensor from malformed arguments");
    }
    if (node(arguments[5]).kind == Kind::kDict && !node(arguments[5]).items.empty()) {
      refuse_unsupported(path_, "one of its tensors has backward hooks");
    }
    const PickleNode& storage = node(arguments[0]);
    PickledTensor tensor{.storage_key = storage.key,
                         .storage_elements = static_cast<uint64_t>(storage.integer),
                         .type = storage.type,
                         .offset = node(arguments[1]).integer,
                         .shape = sizes(arguments[2]),
                         .strides = sizes(arguments[3])};
    if (tensor.shape.size() != tensor.strides.size()) {
      refuse("its pickle constructs a tensor whose numbers of strides and dimensions differ");
    }
    result_.tensors.push_back(std::move(tensor));
    push({.kind = Kind::kTensor, .integer = static_cast<int64_t>(result_.tensors.size() - 1)});
  }

  std::vector<int64_t> sizes(uint32_t index) const {
    const PickleNode& tuple = node(index);
    if (tuple.kind != Kind::kTuple || tuple.items.size() > kMaxDimensions) {
      refuse("its pickle constructs a tensor with a malformed shape");
    }
    std::vector<int64_t> result;
    for (const uint32_t item : tuple.items) {
      if (node(item).kind != Kind::kInteger || node(item).integer < 0) {
        refuse("its pickle constructs a tensor with a malformed shape");
      }
      result.push_back(node(item).integer);
    }
    return result;
  }

  /// state_dict() hangs a dict with version numbers on its OrderedDict; nobody here needs it.
  void build() {
    if (node(pop()).kind != Kind::kDict)
      refuse("its pickle sets attributes from something that is not a dict");
    top(Kind::kDict, "sets attributes of something that is not a dict");
  }

  std::span<const uint8_t> data_;
  const std::string& path_;
  size_t position_ = 0;
  Pickle result_;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, uint32_t> memo_;
};

}  // namespace

Pickle read_pickle(std::span<const uint8_t> data, const std::string& path) {
  return Interpreter(data, path).run();
}

}  // namespace latentsync::model
