#pragma once

/// Precompiled for targets of many files: what parsing LibTorch's headers costs is paid once a
/// target. Only what nearly every file of core/ includes anyway; each file still includes what it
/// uses, so that it compiles with -Db_pch=false.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
