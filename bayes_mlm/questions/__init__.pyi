from .contextual.hausman import chi2_tail as chi2_tail, hausman as hausman
from .contextual.table import (
    ContextualTable as ContextualTable,
    contextual_effects as contextual_effects,
    contextual_effects_classical as contextual_effects_classical,
    said as said,
)
from .effects import (
    Crossing as Crossing,
    Effects as Effects,
    comparisons as comparisons,
    crossing as crossing,
    slopes as slopes,
)
from .effects.query import changes as changes
from .effects.rows import (
    Population as Population,
    population as population,
    read_again as read_again,
    rebuild as rebuild,
)
from .effects.sources import reach as reach, standard_error as standard_error
from .group_effects_file import write_group_effects as write_group_effects
from .lines import (
    GroupLines as GroupLines,
    LinePoint as LinePoint,
    along_of as along_of,
    group_lines as group_lines,
    population_line as population_line,
)
from .lines.level_two import own_weights as own_weights
from .lines.result import PopulationLine as PopulationLine
from .prediction import check_rows as check_rows, predict as predict
from .variance import (
    QUESTIONS as QUESTIONS,
    VarianceRow as VarianceRow,
    VarianceTable as VarianceTable,
    reasons as reasons,
    variance_by_level as variance_by_level,
    variance_by_level_classical as variance_by_level_classical,
)
from .variance.parameters import is_null as is_null, null_design as null_design
from .variance.partition import along as along
from .variance.rights_sterba import PARTS as PARTS
from .variance.table import check_null as check_null
