from ._version import __version__ as __version__
from .assess import (
    bootstrap as bootstrap,
    calibrate as calibrate,
    check as check,
    group_influence as group_influence,
    information_criteria as information_criteria,
    leave_one_group_out as leave_one_group_out,
    leave_one_row_out as leave_one_row_out,
    log_marginal_likelihood as log_marginal_likelihood,
    loo_compare as loo_compare,
    multiverse as multiverse,
    simulation_based_calibration as simulation_based_calibration,
    variance_tests as variance_tests,
)
from .base import BayesMLMError as BayesMLMError
from .data import (
    as_table as as_table,
    crosstab as crosstab,
    describe as describe,
    describe_variables as describe_variables,
    load_contraception as load_contraception,
    load_dataset as load_dataset,
    load_dyestuff2 as load_dyestuff2,
    load_epil as load_epil,
    load_hsb as load_hsb,
    load_orthodont as load_orthodont,
    load_pastes as load_pastes,
    load_penicillin as load_penicillin,
    load_sleepstudy as load_sleepstudy,
    read_table as read_table,
)
from .design import (
    Design as Design,
    build_design as build_design,
    code_time as code_time,
    for_kind as for_kind,
    load_sums as load_sums,
    merge_sums as merge_sums,
    open_data as open_data,
    replay as replay,
    save_sums as save_sums,
    small_groups as small_groups,
    sum_more_rows as sum_more_rows,
    sum_rows as sum_rows,
)
from .engines import fit_reml as fit_reml
from .fitting import (
    Estimate as Estimate,
    Fit as Fit,
    Imputations as Imputations,
    impute as impute,
    load_fit as load_fit,
    sample_groups as sample_groups,
    save_fit as save_fit,
    summarise as summarise,
)
from .likelihood import (
    between as between,
    model_priors as model_priors,
    mundlak as mundlak,
    no_pooling as no_pooling,
    partial_pooling as partial_pooling,
    pooled as pooled,
    within as within,
)
from .planning import plan_from_pilot as plan_from_pilot, plan_study as plan_study
from .questions import (
    coefficient_tests as coefficient_tests,
    comparisons as comparisons,
    contextual_effects as contextual_effects,
    crossing as crossing,
    group_lines as group_lines,
    hausman as hausman,
    joint_tests as joint_tests,
    latent_contextual_effects as latent_contextual_effects,
    marginal_means as marginal_means,
    population_line as population_line,
    predict as predict,
    slopes as slopes,
    survey_weighting as survey_weighting,
    variance_by_level as variance_by_level,
    write_group_effects as write_group_effects,
)
from .studies import (
    check_published as check_published,
    fit as fit,
    load_record as load_record,
    prior_sensitivity as prior_sensitivity,
    records as records,
)
