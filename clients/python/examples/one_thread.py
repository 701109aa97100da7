"""Import this before numpy: matrices as small as those of the examples take up to twenty times longer when several threads share each product,
the more so as every client has a thread already."""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")
