from .hsb.study import (
    check_notes as check_notes,
    check_table as check_table,
    load_study as load_study,
)
from .ladder import analyse_ladder as analyse_ladder
from .published import (
    PublishedRow as PublishedRow,
    check_published as check_published,
    find_figure as find_figure,
    printed_figures as printed_figures,
    right_text as right_text,
    tally as tally,
)
