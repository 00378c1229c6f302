#pragma once

/// Precompiled once for all tests that use LibTorch, as meson/torch_pch.h is for core/.
#include "meson/torch_pch.h"

#include <gtest/gtest.h>
