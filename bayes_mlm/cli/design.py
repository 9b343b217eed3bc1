"""Run `bayes-mlm design`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bayes_mlm.base import EngineError, count
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import DEFAULT_SEED, Quiet, Seed, grouped, status


@grouped
def design(
    groups: Annotated[str, typer.Option(help="Numbers of groups: 50,100.")],
    size: Annotated[str, typer.Option(help="Rows of each group: 10,20.")],
    icc: Annotated[str, typer.Option(help="Share of the variance between groups: 0.1,0.2.")],
    effect: Annotated[
        str, typer.Option(help="Effects in sds of the outcome (see --probability): 0.2,0.3.")
    ],
    compared: Annotated[
        str,
        typer.Option(
            help="What the effect is of: groups (half against half), rows (a predictor within "
            "groups), slopes (of it, half of the groups against half)."
        ),
    ] = "groups",
    predictor: Annotated[
        str, typer.Option(help="Within groups: binary (half of the rows) or normal.")
    ] = "binary",
    slope_sd: Annotated[
        float, typer.Option(help="Sd between groups of the predictor's slope.")
    ] = 0.0,
    effect_sd: Annotated[
        float | None,
        typer.Option(help="Sd of what is thought possible of the effect, for the assurance."),
    ] = None,
    probability: Annotated[
        float | None,
        typer.Option(
            help="Of a binary outcome, in a typical group; effects are then logarithms of odds "
            "ratios."
        ),
    ] = None,
    missing: Annotated[float, typer.Option(help="Share of rows lost at random.")] = 0.0,
    cost_group: Annotated[float | None, typer.Option(help="Cost of a group.")] = None,
    cost_row: Annotated[float | None, typer.Option(help="Cost of a row.")] = None,
    budget: Annotated[
        float | None, typer.Option(help="With both costs: the design that it is best spent on.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Of the two-sided t test.")] = 0.05,
    simulations: Annotated[int, typer.Option(help="Simulated studies of each design.")] = 1000,
    random_seed: Seed = None,
    out: Annotated[Path | None, typer.Option(help="Folder for design.csv and power.png.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Plan a study with groups: power, interval widths and smallest effects by simulation.

    Next to each power stands that of the closed form, which takes variances as known.
    """
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.planning import best_allocation, plan_study, scenario_of

    if out is not None:
        check_folder(out, ["design.csv", "power.png"])
    if budget is not None and probability is not None:
        raise EngineError(
            "--budget is of outcomes with an sd; of a binary one compare designs by their cost"
        )
    if budget is not None and (cost_group is None or cost_row is None):
        raise EngineError("--budget needs what a group and a row cost: --cost-group, --cost-row")
    assumed: dict[str, Any] = {
        "compared": compared,
        "predictor": predictor,
        "slope_sd": slope_sd,
        "missing": missing,
    }
    shares = _list("--icc", icc, float)
    with status("simulating studies", quiet=quiet):
        table = plan_study(
            groups=_list("--groups", groups, int),
            size=_list("--size", size, int),
            icc=shares,
            effect=_list("--effect", effect, float),
            effect_sd=effect_sd,
            probability=probability,
            cost_group=cost_group,
            cost_row=cost_row,
            alpha=alpha,
            n=simulations,
            random_seed=DEFAULT_SEED if random_seed is None else random_seed,
            **assumed,
        )
    output.console.print(table.sentence, soft_wrap=True)
    output.console.print(str(table), soft_wrap=True)
    best = []
    if budget is not None and cost_group is not None and cost_row is not None:
        for share in shares:
            scenario = scenario_of(groups=4, size=2, icc=share, **assumed)
            found = best_allocation(
                scenario, budget=budget, cost_group=cost_group, cost_row=cost_row
            )
            best.append({"icc": share, **vars(found)})
            output.console.print(
                f"icc {share:g}: {budget:g} is best spent on {count(found.groups)} groups of "
                f"{count(found.size)} (standard error {found.se:.3g}, cost {found.cost:g})",
                soft_wrap=True,
            )
    if out is not None:
        from bayes_mlm.figures import plot_power

        with atomic_folder(out) as stage:
            (stage / "design.csv").write_text(table.to_csv(), encoding="utf-8")
            plot_power(table).savefig(stage / "power.png", dpi=200)
    output.finish(table, best=best, written=out)


def _list[T: (int, float)](option: str, text: str, kind: type[T]) -> list[T]:
    """Read numbers separated by commas."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        what = {"int": "whole numbers", "float": "numbers"}[kind.__name__]
        raise EngineError(f"{option} takes {what} separated by commas, found {text!r}") from None
