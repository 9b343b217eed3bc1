from .coefficients import (
    CoefficientTable as CoefficientTable,
    coefficient_tests as coefficient_tests,
)
from .contextual.hausman import chi2_tail as chi2_tail, hausman as hausman
from .contextual.latent import (
    LatentContextualTable as LatentContextualTable,
    latent_contextual_effects as latent_contextual_effects,
)
from .contextual.table import (
    ContextualTable as ContextualTable,
    contextual_effects as contextual_effects,
    describe_contextual as describe_contextual,
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
    read_again as read_again,
    read_population as read_population,
    rebuild as rebuild,
)
from .effects.scale import read_measure as read_measure
from .group_effects_file import write_group_effects as write_group_effects
from .lines import (
    GroupLines as GroupLines,
    LinePoint as LinePoint,
    along_of as along_of,
    group_lines as group_lines,
    population_line as population_line,
)
from .lines.averages import (
    OutcomeRows as OutcomeRows,
    RowSets as RowSets,
    average_curve as average_curve,
    averages_by_set as averages_by_set,
    outcome_rows as outcome_rows,
)
from .lines.level_two import (
    check_random_effects as check_random_effects,
    coefficient_weights as coefficient_weights,
)
from .lines.result import PopulationLine as PopulationLine
from .means import (
    JointTests as JointTests,
    MarginalMeans as MarginalMeans,
    joint_tests as joint_tests,
    marginal_means as marginal_means,
)
from .prediction import check_rows as check_rows, predict as predict
from .survey import (
    Weighting as Weighting,
    survey_facts as survey_facts,
    survey_weighting as survey_weighting,
)
from .variance import (
    QUESTIONS as QUESTIONS,
    VarianceRow as VarianceRow,
    VarianceTable as VarianceTable,
    reasons as reasons,
    variance_by_level as variance_by_level,
)
from .variance.distribution import scale_of as scale_of
from .variance.parameters import is_null as is_null, null_design as null_design
from .variance.partition import along as along
from .variance.table import check_null as check_null
