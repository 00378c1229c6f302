#pragma once

#include <glib-object.h>

/// The element's enumerations, as GObject has them.
namespace latentsync {

GType scheduler_type();
GType attention_mode_type();
GType vae_type();
GType precision_type();
GType audio_context_type();
GType no_face_type();
GType silence_type();
GType late_policy_type();
GType face_select_type();
GType memory_mode_type();
GType optimization_level_type();

}  // namespace latentsync
