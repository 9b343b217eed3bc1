"""Options of what an outcome is, which the commands that fit share."""

from dataclasses import dataclass
from typing import Annotated

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
Exponentiate = Annotated[
    bool,
    typer.Option(
        "--exponentiate",
        help="Print odds, rate or hazard ratios, as the family has them, for coefficients.",
    ),
]


@dataclass(frozen=True)
class Outcome:
    """Options of the distribution of the outcome."""

    family: Family = "gaussian"
    link: Link = None
    trials: Trials = None

    @property
    def options(self) -> dict[str, str | None]:
        """Options of a request; a record keeps its family where none is named."""
        family = None if self.family == "gaussian" else self.family
        return {"family": family, "link": self.link, "trials": self.trials}
