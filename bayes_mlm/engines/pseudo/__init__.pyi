from .fit import fit_imputations as fit_imputations, fit_pseudo as fit_pseudo
from .posterior import sample_pseudo as sample_pseudo
from .result import PseudoFit as PseudoFit
