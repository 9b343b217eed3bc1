from .codings import CODINGS as CODINGS, Coding as Coding
from .expressions import (
    Call as Call,
    Expression as Expression,
    Factor as Factor,
    Name as Name,
    Negative as Negative,
    Number as Number,
    Operation as Operation,
    Term as Term,
    calls as calls,
    label as label,
    label_term as label_term,
    unique as unique,
)
from .formula import (
    Formula as Formula,
    meant_by as meant_by,
    parse_formula as parse_formula,
    place_of_factor as place_of_factor,
    refuse_several as refuse_several,
)
from .function import (
    Basis as Basis,
    Constants as Constants,
    Elementwise as Elementwise,
    Function as Function,
    Option as Option,
    Options as Options,
    Summaries as Summaries,
)
from .functions import FUNCTIONS as FUNCTIONS
from .group_terms import GroupFormula as GroupFormula, written_factor as written_factor
from .imputed import ImputedSet as ImputedSet, refuse_sets as refuse_sets
