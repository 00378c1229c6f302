#pragma once

#include "core/model/tensor_listing.h"

#include <cstdint>
#include <span>
#include <string>

namespace latentsync::model {

/// Lists the tensors and integers of a file written by torch.save since 1.6: an uncompressed zip
/// with one folder that holds data.pkl (a pickle of dicts, lists and tensors), data/N (one storage
/// each) and byteorder.
///
/// Dicts, lists and tuples are flattened: names are joined with '.', list items are numbered. Other
/// values than tensors and integers are dropped.
/// Errors: kDamagedFile; kUnsupported for everything that a file of weights has no need of
/// (compressed entries, big-endian data, any object beyond the above, by its name). PATH is for
/// the messages.
TensorListing list_torch_zip(std::span<const uint8_t> file, const std::string& path);

}  // namespace latentsync::model
