#include "core/nn/module.h"

#include <stdexcept>

namespace latentsync::nn {
namespace {

// Calls VISIT with a module and the path of its names, the last of which ends in a dot.
template <typename Visit>
void walk(const Module& module, const std::string& path, const Visit& visit) {
  visit(module, path);
  for (const auto& child : module.named_children())
    walk(*child.value(), path + child.key() + ".", visit);
}

std::vector<at::Tensor> values_of(const Named<at::Tensor>& named) {
  std::vector<at::Tensor> values;
  values.reserve(named.size());
  for (const auto& item : named) values.push_back(item.value());
  return values;
}

}  // namespace

void Module::check_name(const std::string& name) const {
  if (name.empty() || name.find('.') != std::string::npos) {
    throw std::invalid_argument("not a name of a part of a network: \"" + name + '"');
  }
  if (parameters_.find(name) != nullptr || buffers_.find(name) != nullptr ||
      children_.find(name) != nullptr) {
    throw std::invalid_argument("a network has two parts named \"" + name + '"');
  }
}

at::Tensor Module::register_parameter(const std::string& name, at::Tensor value,
                                      bool requires_grad) {
  check_name(name);
  value.set_requires_grad(requires_grad);
  parameters_.add(name, value);
  return value;
}

at::Tensor Module::register_buffer(const std::string& name, at::Tensor value) {
  check_name(name);
  buffers_.add(name, value);
  return value;
}

void Module::add_child(const std::string& name, std::shared_ptr<Module> module) {
  check_name(name);
  children_.add(name, std::move(module));
}

Named<at::Tensor> Module::named_parameters() const {
  Named<at::Tensor> all;
  walk(*this, "", [&](const Module& module, const std::string& path) {
    for (const auto& item : module.parameters_) all.add(path + item.key(), item.value());
  });
  return all;
}

Named<at::Tensor> Module::named_buffers() const {
  Named<at::Tensor> all;
  walk(*this, "", [&](const Module& module, const std::string& path) {
    for (const auto& item : module.buffers_) all.add(path + item.key(), item.value());
  });
  return all;
}

std::vector<at::Tensor> Module::parameters() const { return values_of(named_parameters()); }

std::vector<at::Tensor> Module::buffers() const { return values_of(named_buffers()); }

Named<std::shared_ptr<Module>> Module::named_modules() const {
  Named<std::shared_ptr<Module>> all;
  for (const auto& child : children_) {
    all.add(child.key(), child.value());
    for (const auto& below : child.value()->named_modules())
      all.add(child.key() + "." + below.key(), below.value());
  }
  return all;
}

std::vector<std::shared_ptr<Module>> Module::modules() const {
  std::vector<std::shared_ptr<Module>> all;
  for (const auto& item : named_modules()) all.push_back(item.value());
  return all;
}

void Module::to(c10::Device device, c10::ScalarType dtype) {
  for (auto& group : {parameters(), buffers()}) {
    for (const auto& value : group) {
      value.set_data(value.to(device, value.is_floating_point() ? dtype : value.scalar_type()));
    }
  }
}

void Module::to(c10::ScalarType dtype) {
  for (auto& group : {parameters(), buffers()}) {
    for (const auto& value : group) {
      if (value.is_floating_point()) value.set_data(value.to(dtype));
    }
  }
}

}  // namespace latentsync::nn
