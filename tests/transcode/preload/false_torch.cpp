// A library with the name of LibTorch's, as another version of it would be: one symbol by which a
// LibTorch is found, and none of those that the engine needs.

extern "C" __attribute__((visibility("default"))) int _ZN2at13globalContextEv() { return 0; }
