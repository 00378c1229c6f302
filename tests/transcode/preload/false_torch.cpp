// A library with the name of LibTorch's, as another version of it would be: none of the symbols that
// the engine needs.

extern "C" __attribute__((visibility("default"))) int latentsync_false_torch() { return 0; }
