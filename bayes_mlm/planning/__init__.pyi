from .cost import Allocation as Allocation, best_allocation as best_allocation
from .pilot import plan_from_pilot as plan_from_pilot
from .power import (
    COMPARED as COMPARED,
    PREDICTORS as PREDICTORS,
    StudyPlan as StudyPlan,
    StudyPlanRow as StudyPlanRow,
    plan_study as plan_study,
)
from .simulation import Scenario as Scenario, scenario_of as scenario_of
