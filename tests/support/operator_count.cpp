#include "tests/support/operator_count.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

namespace latentsync::test {
namespace {

// LibTorch takes plain functions for callbacks: what they add to cannot be an object's member.
std::mutex mutex;
OperatorCounts counted;
thread_local std::vector<int64_t> inner;  // operators that each operator under way has called

const std::set<std::string_view>& without_a_kernel() {
  static const std::set<std::string_view> names = {"aten::alias",
                                                   "aten::as_strided",
                                                   "aten::chunk",
                                                   "aten::contiguous",
                                                   "aten::detach",
                                                   "aten::empty",
                                                   "aten::empty_like",
                                                   "aten::empty_strided",
                                                   "aten::expand",
                                                   "aten::expand_as",
                                                   "aten::flatten",
                                                   "aten::is_pinned",
                                                   "aten::lift_fresh",
                                                   "aten::movedim",
                                                   "aten::narrow",
                                                   "aten::permute",
                                                   "aten::reshape",
                                                   "aten::resize_",
                                                   "aten::select",
                                                   "aten::size",
                                                   "aten::slice",
                                                   "aten::split",
                                                   "aten::squeeze",
                                                   "aten::stride",
                                                   "aten::t",
                                                   "aten::to",
                                                   "aten::transpose",
                                                   "aten::unflatten",
                                                   "aten::unfold",
                                                   "aten::unsqueeze",
                                                   "aten::view",
                                                   "aten::view_as_real",
                                                   "aten::_unsafe_view",
                                                   "aten::_reshape_alias"};
  return names;
}

bool indexes_by_a_mask(const at::RecordFunction& call) {
  const auto inputs = call.inputs();
  if (inputs.size() < 2 || !inputs[1].isOptionalTensorList()) return false;
  return std::ranges::any_of(inputs[1].toListRef(), [](const c10::IValue& index) {
    return index.isTensor() && index.toTensor().defined() &&
           (index.toTensor().scalar_type() == at::kBool ||
            index.toTensor().scalar_type() == at::kByte);
  });
}

bool is_host_read(std::string_view name, const at::RecordFunction& call) {
  static const std::set<std::string_view> names = {"aten::_local_scalar_dense",
                                                   "aten::nonzero",
                                                   "aten::masked_select",
                                                   "aten::equal",
                                                   "aten::_unique2",
                                                   "aten::repeat_interleave"};
  return names.contains(name) || (name == "aten::index" && indexes_by_a_mask(call));
}

bool is_move(std::string_view name, const at::RecordFunction& call) {
  if (name != "aten::to") return false;
  const auto inputs = call.inputs();
  return std::ranges::any_of(inputs, [](const c10::IValue& input) { return input.isDevice(); });
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& call) {
  const std::string_view name = call.name();
  const std::lock_guard lock(mutex);
  if (is_host_read(name, call)) ++counted.host_reads[std::string(name)];
  if (is_move(name, call)) ++counted.moves;
  if (!inner.empty()) ++inner.back();
  inner.push_back(0);
  return nullptr;
}

void end(const at::RecordFunction& call, at::ObserverContext*) {
  if (inner.empty()) return;  // it began before the count did
  const bool calls_none = inner.back() == 0;
  inner.pop_back();
  if (!calls_none || without_a_kernel().contains(call.name())) return;
  const std::lock_guard lock(mutex);
  ++counted.launches;
}

}  // namespace

OperatorCount::OperatorCount() {
  const std::lock_guard lock(mutex);
  counted = {};
  handle_ = at::addGlobalCallback(at::RecordFunctionCallback(&begin, &end)
                                      .needsInputs(true)
                                      .scopes({at::RecordScope::FUNCTION}));
}

OperatorCount::~OperatorCount() { at::removeCallback(handle_); }

OperatorCounts OperatorCount::counts() const {
  const std::lock_guard lock(mutex);
  return counted;
}

}  // namespace latentsync::test
