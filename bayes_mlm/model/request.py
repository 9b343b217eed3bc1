"""A model together with its data and the sampler settings: what a fit starts from."""

from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from bayes_mlm.base import SpecError
from bayes_mlm.data import DataSource, check_source
from bayes_mlm.model.spec import ModelSpec, check_model


class SamplerSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Sampler settings as requested; None means the default of the engine."""

    draws: int | None = None
    tune: int | None = None
    chains: int | None = None
    random_seed: int | None = None


NO_SETTINGS = SamplerSettings()


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """A model, the data it is to be fitted to, and the sampler settings requested.

    Parameters
    ----------
    model : ModelSpec
    source : DataSource
    settings : SamplerSettings
    """

    model: ModelSpec
    source: DataSource = field(default_factory=DataSource)
    settings: SamplerSettings = NO_SETTINGS

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def request(self) -> "ModelRequest":
        """The request itself, so that it can replace a record."""
        return self


class HasRequest(Protocol):
    """An object with a model, its data and its settings: a fit, or a record of a study."""

    @property
    def request(self) -> ModelRequest:
        """The model with its data and settings."""


def check_request(request: ModelRequest, at: str = "model") -> None:
    """Refuse a model or data that contradict themselves, before any table is opened.

    Parameters
    ----------
    request : ModelRequest
    at : str
        The file it is from, for the message.

    Raises
    ------
    SpecError
        With the field, what was found, and what to write instead.
    """
    check_source(request.source, at)
    check_model(request.model, at)
    for key, value in msgspec.structs.asdict(request.settings).items():
        least = 0 if key == "random_seed" else 1
        if value is not None and value < least:
            raise SpecError(f"{at}: settings.{key} = {value}; it must be {least} or more")
