"""Provenance of the numbers: data with checksum, versions, seeds, settings, times, priors."""

import hashlib
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from bayes_mlm.base import count, expand_home, scaled, unreadable_reason
from bayes_mlm.data import DATASETS, IN_MEMORY, DataSource, split_part
from bayes_mlm.engines import ENGINES, has_chains
from bayes_mlm.fitting import Analysis, installed_versions
from bayes_mlm.report.tables import PageTable, page_table

# A larger file takes longer to read than to fit.
_MOST_BYTES = 1_000_000_000


def checksum(source: DataSource) -> str:
    """Return the SHA-256 of the data file, or the reason why there is none.

    Examples
    --------
    >>> checksum(DataSource(data="hsb"))[:12]
    '6eca49d46bee'
    """
    if source.data in DATASETS:
        return DATASETS[source.data].sha256
    path = expand_home(source.path)
    if source.data == IN_MEMORY:
        return "none: a data frame in memory"
    if unreadable_reason(path):
        return "none: several files"
    if path.stat().st_size > _MOST_BYTES:
        return "none: a file of more than a gigabyte"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_name(source: DataSource) -> str:
    """Return the name of the data without their folders."""
    if source.data in DATASETS:
        return source.data
    file, part = split_part(source.data)
    return f"{Path(file).name}::{part}" if part else Path(file).name


def versions_table() -> PageTable:
    """Return the versions of the software."""
    versions = {**installed_versions(), "python": platform.python_version()}
    versions["system"] = f"{platform.system()} {platform.machine()}"
    return page_table("versions-table", "Versions.", ("package", "version"), versions.items())


def runs_table(analyses: Sequence[Analysis]) -> PageTable:
    """Return the settings, seed and time of each posterior."""
    rows = []
    for analysis in analyses:
        for fit in analysis.fits:
            settings = fit.settings
            nuts = has_chains(fit.engine)
            rows.append(
                (
                    analysis.spec.name,
                    ENGINES[fit.engine].label,
                    fit.reason,
                    f"{settings.chains} × {count(settings.draws)}",
                    count(settings.tune) if nuts else "",
                    f"{settings.target_accept:g}" if nuts else "",
                    f"{settings.random_seed}",
                    scaled(fit.seconds, 2),
                )
            )
    return page_table(
        "runs-table",
        "Sampling of each posterior. The same seed, settings and versions reproduce its draws.",
        ("model", "engine", "reason", "draws", "warm-up", "target acceptance", "seed", "seconds"),
        rows,
    )


def priors_table(analyses: Sequence[Analysis]) -> PageTable:
    """Return the priors; those that models share, once."""
    models: dict[tuple[str, str], list[str]] = {}
    for analysis in analyses:
        for name, prior in _priors(analysis):
            models.setdefault((name, prior), []).append(analysis.spec.name)
    every = [analysis.spec.name for analysis in analyses if analysis.fits]
    return page_table(
        "priors-table",
        "Priors, in units of the outcome or, with a link, of the linear predictor. That of the "
        "intercept, and those of the sds and correlations of correlated group effects, apply at "
        "the means of the predictors.",
        ("parameter", "prior", "models"),
        (
            (name, prior, "all" if having == every else ", ".join(having))
            for (name, prior), having in models.items()
        ),
    )


def _priors(analysis: Analysis) -> Iterator[tuple[str, str]]:
    if analysis.fits:
        for name, prior in analysis.fits[0].priors.by_name(analysis.design).items():
            yield name, str(prior)
