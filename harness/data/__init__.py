"""Tensors to run on: synthetic distributions, weights and captured activations of real models, and a user's files.

``harness.data.source`` is what the rest of the harness uses.
"""
