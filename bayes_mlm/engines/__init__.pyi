from .caution import cautions as cautions, cautions_on_model as cautions_on_model
from .degrees_of_freedom import DF_METHODS as DF_METHODS
from .diagnostics import (
    MAX_R_HAT as MAX_R_HAT,
    MIN_EBFMI as MIN_EBFMI,
    MIN_ESS_PER_CHAIN as MIN_ESS_PER_CHAIN,
    Convergence as Convergence,
    convergence as convergence,
    diagnose as diagnose,
)
from .direct import (
    Direct as Direct,
    sample_direct as sample_direct,
    sample_problem as sample_problem,
    why_improper as why_improper,
    why_not_direct as why_not_direct,
)
from .direct.density import (
    Problem as Problem,
    mean_beta as mean_beta,
    sums_at as sums_at,
    with_prior as with_prior,
)
from .direct.effects import MAX_EFFECTS as MAX_EFFECTS, summarise_effects as summarise_effects
from .direct.initialisation import choose_start as choose_start
from .direct.joining import Joined as Joined, join as join
from .direct.pareto import (
    MAX_K_HAT as MAX_K_HAT,
    reliable_k_hat as reliable_k_hat,
    smooth_rows as smooth_rows,
    smooth_weights as smooth_weights,
)
from .direct.posterior import Variances as Variances
from .direct.priors import prior_form as prior_form, sd_log_density as sd_log_density
from .direct.propriety import check_proper as check_proper
from .direct.quadratic import (
    cholesky as cholesky,
    solve_transposed as solve_transposed,
    triangle as triangle,
)
from .direct.report import (
    MAX_COPIES as MAX_COPIES,
    MAX_EFFECTS_ERROR as MAX_EFFECTS_ERROR,
    MAX_ERROR as MAX_ERROR,
    MAX_WEIGHT_SD as MAX_WEIGHT_SD,
    DirectReport as DirectReport,
)
from .direct.variances import draw_variances as draw_variances
from .draws import (
    SAMPLE_DIMS as SAMPLE_DIMS,
    Draws as Draws,
    Variable as Variable,
    in_arviz_order as in_arviz_order,
    listed_quantities as listed_quantities,
    parameter_named as parameter_named,
    quantities as quantities,
    samples as samples,
)
from .engine import Drawn as Drawn, Engine as Engine, Task as Task
from .generalised import maximum_of as maximum_of
from .generalised.joint import JointEstimate as JointEstimate
from .generalised.result import GeneralisedFit as GeneralisedFit
from .generalised.several.result import GeneralisedSeveralFit as GeneralisedSeveralFit
from .joint_normal.gibbs import (
    ImputedDraws as ImputedDraws,
    MissingValues as MissingValues,
    TwoLevelRows as TwoLevelRows,
)
from .joint_normal.maximum import (
    LatentMeans as LatentMeans,
    fit_latent_means as fit_latent_means,
)
from .nuts import sample_nuts as sample_nuts
from .ols import OlsFit as OlsFit, fit_ols as fit_ols
from .pooling.pool import pool_solutions as pool_solutions, pooled_tests as pooled_tests
from .pooling.result import (
    PooledFit as PooledFit,
    PooledResult as PooledResult,
    refuse_pooled as refuse_pooled,
)
from .pooling.rubin import (
    BarnardRubin as BarnardRubin,
    Pooled as Pooled,
    pool as pool,
)
from .pooling.run import maximise as maximise
from .pooling.several import PooledSeveralFit as PooledSeveralFit
from .pseudo import PseudoFit as PseudoFit, fit_pseudo as fit_pseudo
from .pseudo.result import ERROR_WORDS as ERROR_WORDS, SCALING_WORDS as SCALING_WORDS
from .recovery import (
    conditions_of as conditions_of,
    effect_moments as effect_moments,
    effects_covariance as effects_covariance,
    effects_of_groups as effects_of_groups,
    effects_root as effects_root,
    recover_effects as recover_effects,
    with_effects_of as with_effects_of,
)
from .registry import (
    AUTO as AUTO,
    ENGINES as ENGINES,
    EngineName as EngineName,
    check_engine as check_engine,
    engine_names as engine_names,
    has_chains as has_chains,
    has_random_effects as has_random_effects,
    is_drawing as is_drawing,
    likelihood_engine as likelihood_engine,
)
from .reml import (
    OneFactorFit as OneFactorFit,
    RemlFit as RemlFit,
    ResponseFits as ResponseFits,
    SeveralFactorsFit as SeveralFactorsFit,
    fit_reml as fit_reml,
    fit_responses as fit_responses,
    fit_several as fit_several,
)
from .reml.coefficient_tests import (
    CoefficientTests as CoefficientTests,
    FTest as FTest,
    Satterthwaite as Satterthwaite,
    degrees_of as degrees_of,
)
from .reml.conditional_aic import (
    ConditionalAic as ConditionalAic,
    conditional_aic as conditional_aic,
)
from .reml.inference import EstimateRow as EstimateRow, Interval as Interval
from .reml.refits import (
    Designs as Designs,
    OutcomeDistribution as OutcomeDistribution,
    OutcomeSums as OutcomeSums,
    Refits as Refits,
    Simulation as Simulation,
    refit as refit,
)
from .reml.submodels import Submodel as Submodel, Submodels as Submodels
from .settings import Settings as Settings
