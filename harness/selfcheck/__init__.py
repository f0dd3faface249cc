"""A/A: the instrument is checked first. The same kernels are timed as if they were two versions (``run``), differences
that are found are false, and how large they get is each case's noise floor (``floors``), which comparisons use."""
