from .fit import fit_pseudo as fit_pseudo
from .posterior import sample_pseudo as sample_pseudo
from .result import PseudoFit as PseudoFit
