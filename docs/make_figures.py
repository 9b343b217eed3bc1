"""Draw the README's figures: `python docs/make_figures.py`, with the package installed."""

from pathlib import Path

from bayes_mlm import build_design, fit_reml, for_kind, load_dataset
from bayes_mlm.engines.ols import fit_ols
from bayes_mlm.figures.pooling import plot_shrinkage

HERE = Path(__file__).parent


def main() -> None:
    """Draw every figure into this folder."""
    hsb = load_dataset("hsb")
    design = build_design("mathach ~ 1 + (1 | schoolid)", hsb)
    partial = fit_reml(design)
    unpooled = fit_ols(for_kind(build_design("mathach ~ 1", hsb, group="schoolid"), "no_pooling"))
    axes = plot_shrinkage(
        unpooled.group_intercepts,
        partial.beta[0] + partial.u[:, 0],
        design.group_sizes,
        float(partial.beta[0]),
        outcome="mathach",
        group="school",
    )
    axes.figure.savefig(HERE / "pooling.png", dpi=120)


if __name__ == "__main__":
    main()
