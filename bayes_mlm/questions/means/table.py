"""Marginal means as a table that can be compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from bayes_mlm.base import Column, EngineError, level
from bayes_mlm.questions.effects.scale import Comparison, Measure
from bayes_mlm.questions.means.comparing import ComparedMeans, contrast_table
from bayes_mlm.questions.means.grid import ReferenceGrid
from bayes_mlm.questions.means.letters import compact_letters
from bayes_mlm.questions.means.result import (
    ContrastTable,
    MarginalMean,
    MeanContrast,
    MeansTable,
    df_text,
)
from bayes_mlm.questions.means.values import MeanValues


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MarginalMeans(MeansTable[MarginalMean]):
    """Marginal means, of each the posterior first, with what their contrasts need.

    Parameters
    ----------
    rows : tuple of MarginalMean
    grid : ReferenceGrid
    measure : Measure
        Which outcome is expected: its scale, and for which groups.
    found : tuple of tuple of MeanValues
        By result, of each expected outcome.
    method : str
        Of the degrees of freedom; empty of a posterior alone.
    """

    key = ("mean", "by", "outcome", "engine")
    row_type = MarginalMean

    grid: ReferenceGrid
    measure: Measure
    found: tuple[tuple[MeanValues, ...], ...]
    method: str

    def __repr__(self) -> str:
        """Return the names of the means; `print` shows their numbers."""
        return f"<MarginalMeans: {', '.join(dict.fromkeys(row.mean for row in self.rows))}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data; each predictor has one."""
        found = ("estimate", "sd", "df", "lower", "upper")
        outcome = ("outcome",) if self._several else ()
        letters = ("letters",) if any(row.letters for row in self.rows) else ()
        return ("model", "engine", *self._named, *outcome, *found, *letters)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        columns = [
            Column(name="mean", heading=", ".join(one.name for one in self.rows[0].of)),
            *self._by,
            *self._several,
            Column(name="engine"),
            Column(name="estimate", heading="mean", kind="number"),
            Column(name="sd", kind="error"),
            Column(name="lower", heading=level(self.prob), kind="interval"),
        ]
        if any(row.df is not None for row in self.rows):
            columns.append(Column(name="df", text=lambda row: df_text(row.df)))
        if any(row.letters for row in self.rows):
            columns.append(Column(name="letters"))
        return tuple(columns)

    def contrasts(
        self,
        how: str | Mapping[str, Sequence[float] | Mapping[str, float]] = "pairwise",
        *,
        adjust: str | None = None,
        comparison: Comparison = "difference",
        random_seed: int = 1,
    ) -> ContrastTable:
        """Compare the means, within each value of the predictors in `by`.

        Parameters
        ----------
        how : str or mapping
            "pairwise" (every two, the later less the earlier), "reference" (each less the first),
            "consecutive" (each less the one before), "polynomial" (linear, quadratic, ...), or
            ``{name: weights}`` with weights by place or by the names of the means.
        adjust : str, optional
            "tukey", "holm", "bonferroni", "sidak", "scheffe", "mvt" (multivariate t, by
            simulation) or "none". By default Tukey's of all pairs, "mvt" of "reference" (Dunnett's)
            and "consecutive", and none of others. P-values and intervals of the estimate are
            adjusted; a posterior is not.
        comparison : {"difference", "ratio", "odds_ratio"}
            As in `comparisons`: with ``scale="link"`` the exponential of differences.
        random_seed : int
            Of "mvt".

        Returns
        -------
        ContrastTable

        Raises
        ------
        EngineError, DesignError
            If there is no such contrast, adjustment or comparison, or it does not fit the means.

        References
        ----------
        Lenth & Piaskowski, emmeans: Estimated Marginal Means (R package); Bretz, Hothorn & Westfall
        (2010), Multiple Comparisons Using R.

        Examples
        --------
        >>> from bayes_mlm import fit, marginal_means
        >>> found = fit("distance ~ age * sex + (1 | subject)", "orthodont", engine="reml")
        >>> means = marginal_means(found, "sex", by="age", at={"age": [8, 14]})
        >>> [f"{row.estimate:.2f} (p = {row.p:.4f})" for row in means.contrasts()]
        ['1.41 (p = 0.1041)', '3.24 (p = 0.0005)']
        """
        compared = ComparedMeans(
            found=self.found,
            grid=self.grid,
            measure=self.measure,
            prob=self.prob,
            notes=self.notes,
            cautions=self.cautions,
            verdict=self.verdict,
        )
        return contrast_table(
            compared, how, adjust=adjust, comparison=comparison, random_seed=random_seed
        )

    def letters(self, *, adjust: str = "tukey", random_seed: int = 1) -> "MarginalMeans":
        """Return the means with letters: two share one unless they differ significantly.

        By the estimate, at one less the probability of the intervals. A shared letter is no
        evidence that means are equal; contrasts with their intervals say more.

        Parameters
        ----------
        adjust, random_seed
            As in `contrasts`.

        Raises
        ------
        EngineError
            If the means are those of a posterior alone, which has no tests.
        """
        if all(of_result[0].draws is not None for of_result in self.found):
            raise EngineError(
                "letters are of tests, which a posterior has not; read its contrasts, or keep "
                "likelihood=True"
            )
        pairs = self.contrasts("pairwise", adjust=adjust, random_seed=random_seed)
        tested = [row for row in self.rows if row.df is not None]
        letters: dict[MarginalMean, str] = {}
        for family in dict.fromkeys((row.by, row.outcome) for row in tested):
            own = [row for row in tested if (row.by, row.outcome) == family]
            found = [row for row in pairs if row.df is not None and (row.by, row.outcome) == family]
            letters |= _letters(own, found, 1.0 - self.prob)
        return replace(
            self,
            rows=tuple(replace(row, letters=letters.get(row, "")) for row in self.rows),
            notes=(
                *self.notes,
                f"letters: means that share one do not differ at {1.0 - self.prob:.3g}; "
                f"{pairs.notes[1]}",
            ),
            cautions=(*self.cautions, "a shared letter is no evidence that means are equal"),
        )


def _letters(
    means: Sequence[MarginalMean], pairs: Sequence[MeanContrast], alpha: float
) -> dict[MarginalMean, str]:
    """Return the letters of the means of one family, the least mean first; pairs in their order."""
    known = [k for k, row in enumerate(means) if not math.isnan(row.estimate)]
    order = sorted(known, key=lambda k: means[k].estimate)
    spot = {k: place for place, k in enumerate(order)}
    differing = [
        (spot[low], spot[high])
        for (low, high), row in zip(combinations(range(len(means)), 2), pairs, strict=True)
        if row.p is not None and row.p < alpha
    ]
    found = compact_letters(len(order), differing)
    return {means[k]: text for k, text in zip(order, found, strict=True)}
