"""Draw the posterior that a command's question is asked of."""

from typing import TYPE_CHECKING, Literal

from bayes_mlm.cli.options import seed_of

if TYPE_CHECKING:
    from bayes_mlm.design import Design
    from bayes_mlm.fitted import Fit
    from bayes_mlm.spec import Record


def posterior(
    record: "Record",
    design: "Design",
    engine: Literal["auto", "direct", "nuts"],
    *,
    draws: int | None,
    tune: int | None,
    chains: int | None,
    random_seed: int | None,
    target_accept: float,
    progressbar: bool,
) -> "Fit":
    """Fit a design with the settings asked for, else the record's, else the defaults."""
    from bayes_mlm.fitting import fit_design, make_settings

    settings = make_settings(
        record,
        draws=draws,
        tune=tune,
        chains=chains,
        random_seed=seed_of(record, random_seed),
        target_accept=target_accept,
    )
    return fit_design(record, design, settings, engine=engine, progressbar=progressbar)
