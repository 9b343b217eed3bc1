from . import derived as derived
from .agreement import (
    Compared as Compared,
    PrintedFigure as PrintedFigure,
    compare as compare,
    printed_figures as printed_figures,
)
from .classical import (
    Classical as Classical,
    classical_of_sample as classical_of_sample,
    fit_classical as fit_classical,
    has_random_effects as has_random_effects,
)
from .derived import icc as icc
from .entry import fit as fit, fit_design as fit_design
from .estimates import (
    CLASSICAL as CLASSICAL,
    Estimate as Estimate,
    Summary as Summary,
    estimate_texts as estimate_texts,
)
from .group_sample import (
    sample_groups as sample_groups,
    sample_rows as sample_rows,
    sample_table as sample_table,
)
from .request import (
    as_request as as_request,
    make_settings as make_settings,
    named_apart as named_apart,
)
from .residuals import (
    ResidualDraws as ResidualDraws,
    make_outcomes as make_outcomes,
    residual_draws as residual_draws,
)
from .result import Fit as Fit, installed_versions as installed_versions
from .side_by_side import (
    Analysis as Analysis,
    Engine as Engine,
    analyse as analyse,
    check_engine as check_engine,
)
from .storage import load_fit as load_fit, save_fit as save_fit
from .summary import shortest_interval as shortest_interval, summarise as summarise
