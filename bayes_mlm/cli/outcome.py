"""Options of what an outcome is, and how its rows count, which the commands that fit share."""

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

Family = Annotated[
    str,
    typer.Option(
        help="Distribution of the outcome: gaussian, student_t, bernoulli (passed or failed), "
        "binomial, poisson, negative_binomial, cumulative (ordered), gamma, beta."
    ),
]
Link = Annotated[
    str | None, typer.Option(help="Link of the family, if not the usual one: probit, cloglog.")
]
Trials = Annotated[
    str | None, typer.Option(help="Column with the number of trials of a binomial outcome.")
]
SurveyWeights = Annotated[
    str | None,
    typer.Option(
        help="Columns of survey weights by level: level1=w1,school=w2; overall=... if those of "
        "rows are unconditional; or a survey: pisa, timss, pirls, naep."
    ),
]
WeightScaling = Annotated[
    Literal["size", "effective", "none"] | None,
    typer.Option(help="What weights of rows are scaled to sum to in a group (default: size)."),
]
StandardErrors = Annotated[
    Literal["sandwich", "jackknife", "fixed"] | None,
    typer.Option(help="Standard errors under weights (default: jackknife of few groups)."),
]
ReplicateWeights = Annotated[
    str | None,
    typer.Option(help="Replicate weights: fay(W_FSTURWT1..W_FSTURWT80), brr(...), jk1(...), ..."),
]
Exponentiate = Annotated[
    bool,
    typer.Option(
        "--exponentiate",
        help="Print odds, rate or hazard ratios, as the family has them, for coefficients.",
    ),
]


@dataclass(frozen=True)
class Outcome:
    """Options of the distribution of the outcome, and of survey weights."""

    family: Family = "gaussian"
    link: Link = None
    trials: Trials = None
    weights: SurveyWeights = None
    scaling: WeightScaling = None
    standard_errors: StandardErrors = None
    replicates: ReplicateWeights = None

    @property
    def options(self) -> dict[str, str | None]:
        """Options of a request; a record keeps its family where none is named."""
        family = None if self.family == "gaussian" else self.family
        return vars(self) | {"family": family}
