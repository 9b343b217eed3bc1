from .drawing import plot_sensitivity as plot_sensitivity
from .drawing.catalogue import (
    CATALOGUE as CATALOGUE,
    Entry as Entry,
    Section as Section,
    prepared as prepared,
)
from .drawing.style import new_figure as new_figure
from .effects import effects_of as effects_of
from .lines import rows_of_x as rows_of_x
from .picture import Picture as Picture
from .roles import Roles as Roles, roles_of as roles_of
