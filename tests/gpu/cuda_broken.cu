extern "C" __global__ void none(unsigned char *codes) { this is no CUDA; }
