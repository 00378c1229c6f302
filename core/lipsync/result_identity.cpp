#include "core/lipsync/result_identity.h"

#include "core/engine.h"
#include "core/model/sha256.h"

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <link.h>
#include <set>
#include <span>
#include <string_view>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#ifdef LATENTSYNC_HAVE_CUDA
#include <ATen/cuda/CUDAContext.h>
#endif

namespace latentsync::lipsync {
namespace {

struct BuildId {
  uintptr_t address;  // of this code
  std::string text;
};

bool holds(const dl_phdr_info& object, uintptr_t address) {
  for (const auto& part : std::span(object.dlpi_phdr, object.dlpi_phnum)) {
    const auto begin = object.dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD && address >= begin && address < begin + part.p_memsz) return true;
  }
  return false;
}

// The linker's note of the build id, among the notes in BYTES.
std::string build_id_in(std::span<const uint8_t> bytes) {
  const auto padded = [](size_t size) { return (size + 3) / 4 * 4; };
  ElfW(Nhdr) note;
  while (bytes.size() >= sizeof note) {
    std::memcpy(&note, bytes.data(), sizeof note);
    const size_t text = sizeof note + padded(note.n_namesz);
    const size_t end = text + padded(note.n_descsz);
    if (end > bytes.size()) break;
    if (note.n_type == NT_GNU_BUILD_ID) {
      return model::hexadecimal(bytes.subspan(text, note.n_descsz));
    }
    bytes = bytes.subspan(end);
  }
  return {};
}

int look_at_object(dl_phdr_info* object, size_t, void* data) {
  auto& id = *static_cast<BuildId*>(data);
  if (!holds(*object, id.address)) return 0;
  for (const auto& part : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    if (part.p_type != PT_NOTE || !id.text.empty()) continue;
    const auto begin = object->dlpi_addr + part.p_vaddr;
    id.text = build_id_in({reinterpret_cast<const uint8_t*>(begin), part.p_memsz});
  }
  return 1;
}

// Another one for every change of the code, also where nobody raises a version.
std::string build_id() {
  BuildId id{.address = reinterpret_cast<uintptr_t>(&build_id_in)};
  ::dl_iterate_phdr(look_at_object, &id);
  return id.text;
}

// oneDNN and MKL look at more than LibTorch's own capability.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> kinds;
  for (std::string line; std::getline(file, line);) {
    for (const std::string_view name : {"model name", "flags", "cache size", "Features"}) {
      if (line.starts_with(name)) kinds.insert(line);
    }
  }
  std::string text;
  for (const auto& kind : kinds) text += kind + '\n';
  return text;
}

std::string accelerator([[maybe_unused]] c10::Device device) {
#ifdef LATENTSYNC_HAVE_CUDA
  const auto& properties = *at::cuda::getDeviceProperties(device.index());
  return std::string(properties.name) + ' ' + std::to_string(properties.major) + '.' +
         std::to_string(properties.minor) + ' ' + std::to_string(properties.multiProcessorCount);
#else
  return {};
#endif
}

}  // namespace

std::string result_identity(c10::Device device) {
  std::string text = "engine " + std::to_string(kEngineVersion) + ' ' + build_id() + "\nLibTorch " +
                     TORCH_VERSION + '\n' + at::show_config();
  if (!device.is_cpu()) return text + accelerator(device);
  return text + processor() + "threads " + std::to_string(at::get_num_threads());
}

}  // namespace latentsync::lipsync
