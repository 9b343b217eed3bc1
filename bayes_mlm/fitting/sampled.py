"""What values by row and by draw are computed from: a fit, or its prior."""

from collections.abc import Mapping
from typing import Protocol

from bayes_mlm.design import Design
from bayes_mlm.engines import Draws, Settings
from bayes_mlm.likelihood import ModelPriors


class Sampled(Protocol):
    """A model with draws of its parameters: what `Fit` is to the values that follow from draws."""

    @property
    def design(self) -> Design:
        """The arrays, laid out for the kind of model."""

    @property
    def priors(self) -> ModelPriors:
        """The priors in force."""

    @property
    def draws(self) -> Draws:
        """Draws of every parameter."""

    @property
    def settings(self) -> Settings:
        """Seed and sizes."""

    @property
    def engine(self) -> str:
        """What made the draws, a name in `ENGINES`."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the packages that made it."""

    @property
    def seconds(self) -> float:
        """Wall time of the fit."""

    @property
    def created_at(self) -> str:
        """When it was made, in ISO 8601."""

    def with_draws(self, draws: Draws) -> "Sampled":
        """Return the model with other draws."""
