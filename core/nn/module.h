#pragma once

#include <concepts>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

/// What a network is made of: its parameters, buffers and sub-modules under the names that PyTorch
/// gives them in a checkpoint.
///
/// LibTorch's class of this name brings its serialisation and its JIT along, which every file that
/// includes a layer would compile: most of the time of many of them (docs/performance.md).
namespace latentsync::nn {

/// Values under names, in the order in which they were added.
template <typename T>
class Named {
 public:
  class Item {
   public:
    Item(std::string key, T value) : key_(std::move(key)), value_(std::move(value)) {}
    const std::string& key() const { return key_; }
    const T& value() const { return value_; }
    T& value() { return value_; }

   private:
    std::string key_;
    T value_;
  };

  void add(std::string key, T value) { items_.emplace_back(std::move(key), std::move(value)); }
  /// The value of that name, or nullptr.
  const T* find(const std::string& key) const {
    for (const auto& item : items_)
      if (item.key() == key) return &item.value();
    return nullptr;
  }
  /// The value of that name. Errors: std::out_of_range.
  const T& at(const std::string& key) const {
    const T* value = find(key);
    if (value == nullptr) throw std::out_of_range("there is no \"" + key + '"');
    return *value;
  }

  size_t size() const { return items_.size(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::vector<Item> items_;
};

/// A network or a part of one. Its tensors are handles: what is registered and the member that a
/// class keeps are the same tensor, and loading, moving and packing (set_data) are seen by both.
///
/// The lists below go through a module first and then through its sub-modules in the order of their
/// registration; names have the path in front ("down_blocks.0.resnets.1.conv1.weight").
class Module {
 public:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  /// Adds a tensor that is learnt; returns it. Errors: std::invalid_argument for a name that is
  /// taken or has a dot in it.
  at::Tensor register_parameter(const std::string& name, at::Tensor value,
                                bool requires_grad = true);
  /// Adds a tensor that is saved, but not learnt; returns it. Errors: as above.
  at::Tensor register_buffer(const std::string& name, at::Tensor value);
  /// Adds a sub-module; returns it. Errors: as above.
  template <std::derived_from<Module> M>
  std::shared_ptr<M> register_module(const std::string& name, std::shared_ptr<M> module) {
    add_child(name, module);
    return module;
  }

  Named<at::Tensor> named_parameters() const;
  Named<at::Tensor> named_buffers() const;
  std::vector<at::Tensor> parameters() const;
  std::vector<at::Tensor> buffers() const;

  /// The direct sub-modules.
  const Named<std::shared_ptr<Module>>& named_children() const { return children_; }
  /// All sub-modules, without the module itself.
  Named<std::shared_ptr<Module>> named_modules() const;
  std::vector<std::shared_ptr<Module>> modules() const;

  /// Moves parameters and buffers to DEVICE, a CPU or a CUDA device; floating ones become DTYPE.
  void to(c10::Device device, c10::ScalarType dtype);
  /// The same, each where it is.
  void to(c10::ScalarType dtype);

 private:
  void check_name(const std::string& name) const;
  void add_child(const std::string& name, std::shared_ptr<Module> module);

  Named<at::Tensor> parameters_;
  Named<at::Tensor> buffers_;
  Named<std::shared_ptr<Module>> children_;
};

}  // namespace latentsync::nn
