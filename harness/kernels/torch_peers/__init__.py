"""Peers: what PyTorch makes of the memory-bound ops, eager and compiled, on the same operands and the same stopwatch."""
