from .canvas import THEMES as THEMES, Canvas as Canvas, Size as Size, Theme as Theme
from .catalogue import (
    FIGURES as FIGURES,
    ladder_figures as ladder_figures,
    model_figures as model_figures,
    prepared as prepared,
)
from .choosing import (
    reference_roles as reference_roles,
    simplest as simplest,
    with_intercepts as with_intercepts,
)
from .data import FigureData as FigureData, Text as Text
from .entry import Entry as Entry, Section as Section
from .lines import (
    Line as Line,
    has_effects as has_effects,
    line_along as line_along,
    rows_of_x as rows_of_x,
    span as span,
)
from .parts import (
    draw_likelihood as draw_likelihood,
    draw_line as draw_line,
    draw_rows as draw_rows,
    legend_above as legend_above,
    legend_key as legend_key,
    legend_outside as legend_outside,
    legend_patch as legend_patch,
    legend_point as legend_point,
)
from .pooling import plot_shrinkage as plot_shrinkage
from .power import plot_power as plot_power, plot_power_contours as plot_power_contours
from .roles import Roles as Roles, roles_of as roles_of
from .rows import Cloud as Cloud, cloud_of as cloud_of, straight as straight
from .sensitivity import plot_sensitivity as plot_sensitivity
from .simulation_based import plot_simulation_based as plot_simulation_based
from .specifications import plot_specification_curve as plot_specification_curve
from .style import (
    BLACK as BLACK,
    BLUE as BLUE,
    GREY as GREY,
    INK as INK,
    LIKELIHOOD_STYLE as LIKELIHOOD_STYLE,
    MANY_GROUPS as MANY_GROUPS,
    ORANGE as ORANGE,
    SUBGROUP_STYLES as SUBGROUP_STYLES,
    Artist as Artist,
    Axes as Axes,
    Drawing as Drawing,
    Figure as Figure,
    Style as Style,
    SubFigure as SubFigure,
    across as across,
    engine_style as engine_style,
    figure_of as figure_of,
    model_styles as model_styles,
    new_figure as new_figure,
    styled as styled,
)
from .tidy import TidyTable as TidyTable, tabulates as tabulates, tidy as tidy
