from .bootstrap import Bootstrap as Bootstrap, BootstrapRow as BootstrapRow, bootstrap as bootstrap
from .checks import Check as Check, check as check
from .checks.groups import OUTLYING as OUTLYING
from .checks.influence import most_shift as most_shift
from .checks.normality import (
    NormalQQ as NormalQQ,
    normal_qq as normal_qq,
    normal_quantile as normal_quantile,
)
from .checks.replicates import (
    Replicates as Replicates,
    replicate as replicate,
    skewness_of as skewness_of,
)
from .checks.simulated import (
    Calibration as Calibration,
    calibration as calibration,
    quantile_residuals as quantile_residuals,
)
from .checks.standardised import (
    LEAST_RELIABLE as LEAST_RELIABLE,
    fitted_values as fitted_values,
    standardised_effects as standardised_effects,
    standardised_residuals as standardised_residuals,
)
from .comparison import (
    ModelComparison as ModelComparison,
    check_comparable as check_comparable,
    loo_compare as loo_compare,
)
from .coverage import Coverage as Coverage, CoverageRow as CoverageRow, calibrate as calibrate
from .group_influence import (
    GroupInfluence as GroupInfluence,
    GroupInfluenceRow as GroupInfluenceRow,
    group_influence as group_influence,
)
from .information_criteria import (
    CriteriaRow as CriteriaRow,
    InformationCriteria as InformationCriteria,
    information_criteria as information_criteria,
)
from .loo import leave_one_group_out as leave_one_group_out, leave_one_row_out as leave_one_row_out
from .marginal_likelihood import log_marginal_likelihood as log_marginal_likelihood
from .ranking import (
    BY as BY,
    CRITERIA as CRITERIA,
    ComparisonRow as ComparisonRow,
    Criterion as Criterion,
)
from .sensitivity import (
    choose_models as choose_models,
    has_sigma_u as has_sigma_u,
    prior_sensitivity as prior_sensitivity,
    sensitivity_of_fits as sensitivity_of_fits,
)
from .sensitivity.rows import (
    LITTLE_SHIFT as LITTLE_SHIFT,
    NO_SHIFT as NO_SHIFT,
    Sensitivity as Sensitivity,
    SensitivityRow as SensitivityRow,
    comparable as comparable,
)
from .simulation_based import (
    SimulationBasedCalibration as SimulationBasedCalibration,
    SimulationBasedRow as SimulationBasedRow,
    simulation_based_calibration as simulation_based_calibration,
)
from .specifications import (
    Changes as Changes,
    Models as Models,
    Multiverse as Multiverse,
    SpecificationRow as SpecificationRow,
    Specifications as Specifications,
    multiverse as multiverse,
)
from .stacking import stacking_weights as stacking_weights
from .variance_tests import (
    VarianceTestRow as VarianceTestRow,
    VarianceTests as VarianceTests,
    variance_tests as variance_tests,
)
