from .hsb.figures.catalogue import FIGURES as FIGURES
from .hsb.study import load_study as load_study
from .ladder import analyse_ladder as analyse_ladder
from .names import as_record as as_record, fit as fit, is_record as is_record, resolve as resolve
from .printed import Published as Published
from .published import (
    PublishedRow as PublishedRow,
    check_published as check_published,
    find_quantity as find_quantity,
    tally as tally,
)
from .record import (
    WORKED_STUDY as WORKED_STUDY,
    Record as Record,
    as_starter as as_starter,
    baseline as baseline,
    check_record as check_record,
    dump_record as dump_record,
    load_record as load_record,
    models_directory as models_directory,
    record_of as record_of,
    records as records,
    related_record as related_record,
)
from .reproduction import (
    check_notes as check_notes,
    check_study as check_study,
    check_table as check_table,
)
from .result import StudyResult as StudyResult, analyse_record as analyse_record
from .sensitivity import prior_sensitivity as prior_sensitivity, worked_models as worked_models
