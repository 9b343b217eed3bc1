"""Redo the arithmetic of the 2015 document, right or wrong, so that its figures can be traced.

The study in `models/hsb_*.toml` was first published as a notebook. Several of its numbers are not
what their labels claim. The functions here compute what the notebook computed, under explicit
names; nothing else in the package uses them to estimate anything.
"""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.data import Table, crosstab, describe, group_sizes
from bayes_mlm.design import Design, means_by_group

# Every cell divides a variable `icc` that no cell sets by the root of 160. To all printed digits
# it is the icc of this model, so it was left over from an earlier run of the notebook.
LEFTOVER_ICC = "hsb_ses"


@dataclass(frozen=True, kw_only=True)
class RawResiduals:
    """Sds of raw residuals, which the document took for variance components.

    Parameters
    ----------
    sigma_u : float
        Sd of (predicted minus observed) group means, each group counted once a row.
    sigma_e : float
        Sd of the outcome about the fixed part, both levels together.
    sigma_u_err, sigma_e_err : float
        The sd divided by the root of the number of groups, and of rows.
    icc : float
        ``sigma_u² / (sigma_u² + sigma_e²)`` of these two.
    sigma_u_at_means : float
        As `sigma_u`, with interactions at the group means too, as was meant.
    """

    sigma_u: float
    sigma_u_at_means: float
    sigma_e: float
    sigma_u_err: float
    sigma_e_err: float
    icc: float


def raw_residuals(design: Design, beta: Floats) -> RawResiduals:
    """Compute sds of residuals about the fixed part, by group and by row, as the document did.

    Parameters
    ----------
    design : Design
        With a group.
    beta : ndarray, shape (p,)
        Fixed effects.

    Returns
    -------
    RawResiduals

    Notes
    -----
    The prediction for a group is made at the group mean of every column, interactions aside:
    there the document multiplied by the value of the row, so they stay as they are.

    Examples
    --------
    >>> from bayes_mlm.data import load_dataset
    >>> from bayes_mlm.design import build_design
    >>> design = build_design("mathach ~ 1 + (1 | schoolid)", load_dataset("hsb"))
    >>> print(f"{raw_residuals(design, np.array([12.637])).icc:.4f}")
    0.1603
    """
    at_means = design.group_term.by_row(design.group_term.means(design.X))
    observed = design.group_term.by_row(design.group_term.means(design.y))
    meant = float(np.std(at_means @ beta - observed))
    for k, term in enumerate(design.terms):
        if ":" in term:
            at_means[:, k] = design.X[:, k]
    sigma_u = float(np.std(at_means @ beta - observed))
    sigma_e = float(np.std(design.y - design.X @ beta))
    return RawResiduals(
        sigma_u=sigma_u,
        sigma_u_at_means=meant,
        sigma_e=sigma_e,
        sigma_u_err=sigma_u / math.sqrt(design.J),
        sigma_e_err=sigma_e / math.sqrt(design.n),
        icc=sigma_u**2 / (sigma_u**2 + sigma_e**2),
    )


def short_error(design: Design, beta: Floats, *, sigma_u: float, sigma_e: float) -> float:
    """Compute what the statsmodels of 2015 printed as the standard error of sigma_u².

    It is sigma_e times the standard error of psi = sigma_u²/sigma_e², where sigma_e² is due. The
    information about psi is the observed one of the profiled likelihood, jointly with beta, and
    without the curvature of the REML penalty log|X'V⁻¹X|: with it, the null model would print
    0.174 rather than 0.175.

    Parameters
    ----------
    design : Design
        With a random intercept and no other group effect.
    beta : ndarray, shape (p,)
        Fixed effects at the optimum.
    sigma_u, sigma_e : float
        Standard deviations at the optimum, in units of the outcome.

    Returns
    -------
    float
        In squared units of the outcome, and too small by about a factor sigma_e.

    Notes
    -----
    With w_j = 1/(1 + n_j psi), the group's sum s_j of residuals and Q = r'V⁻¹r: dQ/dpsi =
    -sum w_j² s_j², d²Q/dpsi² = 2 sum n_j w_j³ s_j² and d² log|V|/dpsi² = -sum n_j² w_j².
    """
    psi, sizes = (sigma_u / sigma_e) ** 2, design.group_sizes.astype(np.float64)
    w = 1.0 / (1.0 + sizes * psi)
    residual = design.y - design.X @ beta
    r_sum = design.group_term.means(residual) * sizes
    X_sum = design.group_term.means(design.X) * sizes[:, None]
    A = design.X.T @ design.X - X_sum.T @ (X_sum * (psi * w)[:, None])
    Q = float(residual @ residual) - float((psi * w * r_sum**2).sum())
    slope = -float((w**2 * r_sum**2).sum())
    bend = 2.0 * float((sizes * w**3 * r_sum**2).sum())
    freedom = design.n - design.p
    of_psi = 0.5 * (freedom * (bend / Q - (slope / Q) ** 2) - float((sizes**2 * w**2).sum()))
    cross = X_sum.T @ (w**2 * r_sum)
    by_beta = freedom / Q * float(cross @ np.linalg.solve(A, cross))
    return sigma_e / math.sqrt(of_psi - by_beta)


def misplaced_r2(null_sd: float, sd: float) -> float:
    """Compute ``a - b / a`` of two variances, where ``(a - b) / a`` was meant.

    Parameters
    ----------
    null_sd, sd : float
        Raw residual sds of the baseline and of the model.

    Examples
    --------
    >>> print(f"{misplaced_r2(3.0056, 2.3103):.3f}")
    8.443
    """
    return null_sd**2 - sd**2 / null_sd**2


def table_quantities(table: Table) -> dict[str, float]:
    """Compute what the document prints of the High School and Beyond table before any model.

    Parameters
    ----------
    table : Table
        The embedded data set "hsb".

    Returns
    -------
    dict of str to float
        ``n``, ``n_groups``; ``count[x]``, ``mean[x]``, ``std[x]``, ``min[x]``, ``25%[x]``,
        ``50%[x]``, ``75%[x]``, ``max[x]`` of mathach and ses; ``75%[mathach]_float32``, in the
        single precision of the document's file; ``count[sector=0,female=0,minority=0]`` and so
        on; and of each sector the school whose mean ses is nearest zero, with that mean:
        ``nearest_school[sector=0]``, ``nearest_ses[sector=0]``.
    """
    sizes = group_sizes(table, "schoolid")
    found = {"n": float(table.n), "n_groups": float(sizes.n_groups)}
    summary = describe(table, ["mathach", "ses"])
    for (name, *_), values in zip(summary.rows()[1:], summary.values, strict=True):
        found |= {f"{name}[{c}]": float(v) for c, v in zip(summary.variables, values, strict=True)}
    single = table.columns["mathach"].astype(np.float32)
    found["75%[mathach]_float32"] = float(np.quantile(single, 0.75))
    counts = crosstab(table, "sector", ["female", "minority"])
    for sector, row in zip(counts.row_labels, counts.counts, strict=True):
        for (female, minority), count in zip(counts.column_labels, row, strict=True):
            cell = f"count[sector={sector},female={female},minority={minority}]"
            found[cell] = float(count)
    schools, codes = np.unique(table.columns["schoolid"], return_inverse=True)
    mean_ses = means_by_group(table.columns["ses"], codes, schools.size)
    sector_of = means_by_group(table.columns["sector"], codes, schools.size)
    for sector in (0, 1):
        distance = np.where(sector_of == sector, np.abs(mean_ses), np.inf)
        nearest = int(distance.argmin())
        found[f"nearest_school[sector={sector}]"] = float(schools[nearest])
        found[f"nearest_ses[sector={sector}]"] = float(mean_ses[nearest])
    return found
