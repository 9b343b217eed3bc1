"""Write the effects of any number of groups to a file, some at a time."""

from pathlib import Path

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    EngineError,
    StorageError,
    atomic_file,
    check_prob,
    expect,
    expect_path,
    level,
    wald_reach,
)
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import Estimate, Fit

# Groups written at a time.
_BATCH = 50_000


def write_group_effects(
    fit: Fit | Estimate, path: str | Path, *, factor: str | None = None, prob: float = DEFAULT_PROB
) -> Path:
    """Write mean, sd and interval of the effects of every group to a Parquet file.

    Of a posterior: conditional on the variance parameters the effects are normal in closed form;
    mean and variance are averaged over posterior draws (laws of total expectation and variance),
    without draws of the effects. Of REML or ML: the best linear unbiased predictions, with their
    sds conditional on the coefficients and variances (lme4's ``ranef(condVar=TRUE)``).

    Parameters
    ----------
    fit : Fit or Estimate
        With random effects, by any engine; of rows or of aggregated data.
    path : str or Path
        Conventionally ending in ``.parquet``; written whole or not at all.
    factor : str, optional
        The grouping factor, where the model has several.
    prob : float
        Of the normal intervals.

    Returns
    -------
    Path

    Raises
    ------
    EngineError
        If the model has no random effects.
    SeveralFactorsError
        If it has several grouping factors, and `factor` is not stated.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow.parquet as pq
    >>> from bayes_mlm import fit
    >>> fitted = fit("hsb_ses", random_seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = pq.read_table(write_group_effects(fitted, f"{folder}/schools.parquet"))
    >>> table.num_rows, table.column_names
    (160, ['group', 'n', 'effect', 'mean', 'sd', 'lower', 'upper'])
    """
    expect("write_group_effects", fit, Fit, Estimate)
    expect_path("write_group_effects", path, StorageError)
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_prob(prob)
    design = fit.design
    if not has_random_effects(design):
        raise EngineError(
            f"the {design.kind} model '{design.formula}' has no random effects; add "
            "(1 | group) to the formula"
        )
    moments = fit.effect_moments(factor)
    design = fit.of_factor(factor).design
    reach = wald_reach(prob)
    labels, sizes = pa.array(design.labels), design.group_sizes
    schema = pa.schema(
        [
            pa.field("group", labels.type),
            pa.field("n", pa.int64()),
            pa.field("effect", pa.string()),
            *(pa.field(name, pa.float64()) for name in ("mean", "sd", "lower", "upper")),
        ],
        metadata={b"interval": f"{level(prob)} normal".encode(), b"engine": fit.engine.encode()},
    )
    path = Path(path)
    try:
        with atomic_file(path) as partial, pq.ParquetWriter(partial, schema) as writer:
            for start in range(0, design.J, _BATCH):
                places = np.arange(start, min(start + _BATCH, design.J))
                for effect, mean, sd in zip(
                    design.effects, *(one.T for one in moments(places)), strict=True
                ):
                    columns = [
                        labels.take(pa.array(places)),
                        pa.array(sizes[places]),
                        pa.array([effect] * places.size),
                        *(pa.array(v) for v in (mean, sd, mean - reach * sd, mean + reach * sd)),
                    ]
                    writer.write_table(pa.table(columns, schema=schema))
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error}") from error
    return path
