"""The CUDA backend: kernels of this repository, compiled at run time by NVRTC through cuda.core, cupy for arrays."""
