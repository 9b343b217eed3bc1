"""Prior sensitivity of the models of records, by default those of the worked study."""

from functools import wraps
from typing import Any

from bayes_mlm.assess import Sensitivity, has_sigma_u, prior_sensitivity as _prior_sensitivity
from bayes_mlm.model import ModelRequest
from bayes_mlm.studies.names import resolve
from bayes_mlm.studies.record import WORKED_STUDY, records


def worked_models() -> list[ModelRequest]:
    """Return the models of the worked study that have a sigma_u.

    Examples
    --------
    >>> worked_models()[0].model.formula
    'mathach ~ ses + (1 | schoolid)'
    """
    return [one.request for one in records(WORKED_STUDY) if has_sigma_u(one.model)]


@wraps(_prior_sensitivity)
def prior_sensitivity(models: Any = None, *arguments: Any, **options: Any) -> Sensitivity:
    """Refit models under several priors; see `bayes_mlm.assess.prior_sensitivity`."""
    chosen = worked_models() if models is None else resolve(models)
    return _prior_sensitivity(chosen, *arguments, **options)
