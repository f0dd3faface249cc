"""The CPU backend: onnxruntime's operators and their timing."""
