"""A wrong way to fold a batch normalisation."""

from __future__ import annotations

import numpy as np

from harness.kernels.common.oracle_kernel import oracle_kernel
from harness.kernels.fold_batch_norm.oracle import Folded, FoldProblem


def _bias_left_out(problem: FoldProblem) -> Folded:
    norm = problem.norm
    bias = norm.beta - problem.ratio * norm.mean  # wrong: the convolution's own bias is scaled too, and then added
    return Folded(problem.expected.weight.astype(np.float32), bias.astype(np.float32))


BIAS_LEFT_OUT = oracle_kernel(_bias_left_out)
