"""The families of the package, one a file; a family registers itself when it is imported."""

from bayes_mlm.model.families.gaussian import GAUSSIAN
from bayes_mlm.model.families.student_t import LEAST_NU, STUDENT_T
from bayes_mlm.model.family import FAMILIES

__all__ = ["FAMILIES", "GAUSSIAN", "LEAST_NU", "STUDENT_T"]
