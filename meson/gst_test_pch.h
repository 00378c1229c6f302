#pragma once

/// Precompiled once for all tests of the element and of the command line, as meson/gst_pch.h is for
/// the plugin.
#include "meson/gst_pch.h"

#include <gtest/gtest.h>
