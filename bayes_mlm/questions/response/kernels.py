"""Averages over rows of a tabulated function of two numbers, compiled."""

import numba
import numpy as np


@numba.njit(cache=True, error_model="numpy", nogil=True)
def average_lookups(  # type: ignore[no-untyped-def]
    eta, w, weights, cuts, sign, table, first_m, step_m, first_w, step_w, out
):
    """Return, in `out` (b, k), averages over rows of the table at (cut + sign eta, w).

    eta (b, n); w (b, 1) or (b, n); weights (n,), of sum one; cuts (b, k). Cubic (Lagrange) in both.
    """
    b, n = eta.shape
    n_w, n_m = table.shape
    line = np.empty(n_m)
    share = np.empty(4)
    for s in range(b):
        constant = w.shape[1] == 1 or n_w == 1
        if constant:
            if n_w == 1:
                line[:] = table[0]
            else:
                t = (w[s, 0] - first_w) / step_w
                j = min(max(int(t), 1), n_w - 3)
                f = t - j
                share[0] = -f * (f - 1.0) * (f - 2.0) / 6.0
                share[1] = (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0
                share[2] = -(f + 1.0) * f * (f - 2.0) / 2.0
                share[3] = (f + 1.0) * f * (f - 1.0) / 6.0
                for m in range(n_m):
                    line[m] = (
                        share[0] * table[j - 1, m]
                        + share[1] * table[j, m]
                        + share[2] * table[j + 1, m]
                        + share[3] * table[j + 2, m]
                    )
        for c in range(cuts.shape[1]):
            total = 0.0
            for i in range(n):
                t = (cuts[s, c] + sign * eta[s, i] - first_m) / step_m
                k = min(max(int(t), 1), n_m - 3)
                f = t - k
                a0 = -f * (f - 1.0) * (f - 2.0) / 6.0
                a1 = (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0
                a2 = -(f + 1.0) * f * (f - 2.0) / 2.0
                a3 = (f + 1.0) * f * (f - 1.0) / 6.0
                if constant:
                    value = a0 * line[k - 1] + a1 * line[k] + a2 * line[k + 1] + a3 * line[k + 2]
                else:
                    t = (w[s, i] - first_w) / step_w
                    j = min(max(int(t), 1), n_w - 3)
                    f = t - j
                    share[0] = -f * (f - 1.0) * (f - 2.0) / 6.0
                    share[1] = (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0
                    share[2] = -(f + 1.0) * f * (f - 2.0) / 2.0
                    share[3] = (f + 1.0) * f * (f - 1.0) / 6.0
                    value = 0.0
                    for d in range(4):
                        value += share[d] * (
                            a0 * table[j - 1 + d, k - 1]
                            + a1 * table[j - 1 + d, k]
                            + a2 * table[j - 1 + d, k + 1]
                            + a3 * table[j - 1 + d, k + 2]
                        )
                total += weights[i] * value
            out[s, c] = total
