"""Apache Spark holds the rows: a real session of two threads, on Java."""

import os
import shutil
import signal
import sys

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bayes_mlm import build_design, fit, load_hsb, open_data, sum_rows
from bayes_mlm.base.errors import BayesMLMError, DataError
from bayes_mlm.moments import sums as summing

if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Apache Spark needs Java 17", allow_module_level=True)

HSB = load_hsb()
FORMULA = "mathach ~ ses * sector + (1 | schoolid)"


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable  # workers run what the tests run
    session = (
        SparkSession.builder.master("local[2, 4]")  # a task may fail four times
        .appName("bayes_mlm tests")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.driver.memory", "2g")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def spark_frame(spark, table):
    """Hand a table over as Arrow: of pandas 3 Spark warns."""
    return spark.createDataFrame(pa.Table.from_pandas(table, preserve_index=False))


def same(one, other, rel=1e-10):
    a, b = one.moments(), other.moments()
    assert a.labels.tolist() == b.labels.tolist()
    assert np.array_equal(a.counts, b.counts)
    size = np.sqrt(a.n) * a.moments[1] + (a.moments[1] == 0)
    np.testing.assert_allclose(a.means + a.centre, b.means + b.centre, rtol=rel, atol=1e-11)
    assert (np.abs(a.scatter - b.scatter) / np.outer(size, size)).max() < rel


def test_the_posterior_is_that_of_the_rows(spark):
    frame = spark_frame(spark, HSB).repartition(5)
    found, wanted = fit(FORMULA, frame, random_seed=3), fit(FORMULA, HSB, random_seed=3)
    assert not found.design.has_rows
    assert "pyspark" in found.design.notes[-1]
    for name in ("beta", "sigma_u", "sigma_e", "u"):
        np.testing.assert_allclose(found.draws[name], wanted.draws[name], rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize(
    "bars",
    [
        "(ses | schoolid) + (1 | sex:schoolid)",
        pytest.param("(1 | sex) + (1 | minority)", marks=pytest.mark.slow),
    ],
)
def test_several_factors_are_those_of_the_rows(spark, bars):
    table = HSB.assign(sex=np.where(HSB.female == 1, "female", "male"))
    formula = f"mathach ~ ses + sector + {bars}"
    rows = build_design(formula, table)
    sums = sum_rows(formula, spark_frame(spark, table).repartition(5))
    assert "pyspark" in sums.notes[-1]
    for one, other in zip(rows.group_terms, sums.group_terms, strict=True):
        assert one.labels.tolist() == other.labels.tolist()
        assert np.array_equal(one.sizes, other.sizes)
    found, wanted = (one.cross_products() for one in (sums, rows))
    np.testing.assert_allclose(found.total, wanted.total, atol=1e-9 * wanted.n)
    for one, other in zip(found.factors, wanted.factors, strict=True):
        np.testing.assert_allclose(one.own, other.own, rtol=1e-9, atol=1e-9 * wanted.n)
        np.testing.assert_allclose(one.right, other.right, rtol=1e-9, atol=1e-9 * wanted.n)
    np.testing.assert_allclose(
        found.cells[0, 1].products, wanted.cells[0, 1].products, atol=1e-9 * wanted.n
    )


@pytest.mark.parametrize(
    "formula",
    [
        "mathach ~ scale(ses) * kind + (ses | schoolid)",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (
                "mathach ~ within(ses) + between(ses) + female + (1 | schoolid)",
                "mathach ~ I(ses**2) + exp(ses / 3) + C(sector) + log(size) + (1 | schoolid)",
            )
        ),
    ],
)
def test_what_the_grammar_has_spark_can_sum(spark, formula):
    table = HSB.assign(kind=np.where(HSB.sector == 1, "Catholic", "Public"), female=HSB.female == 1)
    same(build_design(formula, table), sum_rows(formula, spark_frame(spark, table)))


def test_one_shuffle_of_sums_and_no_rows_leave_the_cluster(spark, monkeypatch):
    collected = []
    before = summing.collect

    def watched(scan, frame):
        found = before(scan, frame)
        plan = nw.to_native(frame)._jdf.queryExecution().executedPlan().toString()
        collected.append((plan, len(next(iter(found.values())))))
        return found

    monkeypatch.setattr(summing, "collect", watched)
    frame = spark_frame(spark, pd.concat([HSB] * 4)).repartition(8).cache()
    frame.count()
    sum_rows(FORMULA, frame)
    assert max(n_rows for _, n_rows in collected) == 160
    plans = [plan for plan, n_rows in collected if n_rows == 160]
    assert plans
    for plan in plans:
        # The rows were cached after a shuffle by this test; the plan above it is that of the query.
        query = plan.split("InMemoryRelation")[0]
        assert query.count("Exchange") == query.count("Exchange hashpartitioning(group0_") == 1
        # Sums are made of the rows of a task before they travel, and joined after.
        above, below = query.split("Exchange hashpartitioning(group0_")
        assert "HashAggregate" in above
        assert "partial_" in below
        assert "partial_" not in above


@pytest.mark.slow
def test_a_group_with_half_of_all_rows(spark):
    rng = np.random.default_rng(5)
    n = 20_000
    g = np.where(np.arange(n) % 2 == 0, 0, rng.integers(1, 300, n))
    x = rng.normal(size=n)
    table = pd.DataFrame({"g": g, "x": x, "y": 0.1 * g + x + rng.normal(size=n)})
    frame = spark_frame(spark, table).repartition(6)
    same(build_design("y ~ x + (1 | g)", table), sum_rows("y ~ x + (1 | g)", frame))


def test_groups_that_miss(spark):
    odd = spark_frame(spark, HSB[:100]).selectExpr(
        "mathach", "ses", "sector", "if(ses > 0.9, null, schoolid) as schoolid"
    )
    missing = int((HSB[:100].ses > 0.9).sum())
    with pytest.raises(DataError, match="schoolid") as caught:
        sum_rows("mathach ~ ses + (1 | schoolid)", odd)
    assert str(missing) in str(caught.value)
    kept = sum_rows("mathach ~ ses + (1 | schoolid)", odd, missing="drop")
    assert (kept.n, kept.n_dropped) == (100 - missing, missing)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")
def test_a_task_whose_worker_dies_is_done_again(spark, tmp_path):
    died = tmp_path / "died"

    def lose(batches):
        from pyspark import TaskContext

        if TaskContext.get().partitionId() == 1 and TaskContext.get().attemptNumber() == 0:
            died.write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)
        yield from batches

    frame = spark_frame(spark, HSB).repartition(3)
    losing = frame.mapInArrow(lose, frame.schema)
    same(build_design(FORMULA, HSB), sum_rows(FORMULA, losing))
    assert died.read_text().startswith("x")


@pytest.mark.slow
def test_a_hundred_thousand_groups(spark, tmp_path):
    rng = np.random.default_rng(2)
    n, n_groups = 400_000, 100_000
    g, x = rng.permutation(n) % n_groups, rng.normal(size=n)
    y = 2 * x + rng.normal(size=n_groups)[g] + 3 * rng.normal(size=n)
    table = pd.DataFrame({"g": g, "x": x, "y": y})
    table.to_parquet(tmp_path / "many.parquet")
    formula = "y ~ x + (1 | g)"
    found = fit(formula, spark.read.parquet(str(tmp_path)), random_seed=1)
    assert (found.design.n, found.design.J) == (n, n_groups)
    assert found.verdict.ok
    wanted = fit(formula, table, random_seed=1)
    for name in ("beta", "sigma_u", "sigma_e"):
        np.testing.assert_allclose(found.draws[name], wanted.draws[name], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("ending", ["parquet", pytest.param("csv", marks=pytest.mark.slow)])
def test_files_are_opened_by_spark(spark, tmp_path, ending):
    for k in range(3):
        part, path = HSB.iloc[k::3], tmp_path / f"p{k}.{ending}"
        part.to_parquet(path) if ending == "parquet" else part.to_csv(path, index=False)
    scan = open_data(tmp_path, engine="spark")
    assert scan.engine == "pyspark"
    same(build_design(FORMULA, HSB), sum_rows(FORMULA, scan))
    odd = HSB[:9].rename(columns={"ses": "SES"})
    path = tmp_path / f"p9.{ending}"
    odd.to_parquet(path) if ending == "parquet" else odd.to_csv(path, index=False)
    with pytest.raises(BayesMLMError, match=f"p9.{ending}"):
        open_data(tmp_path, engine="spark")


def test_rows_of_a_cluster_are_not_fetched_whole(spark):
    frame = spark_frame(spark, HSB)
    with pytest.raises(DataError, match="sample"):
        fit(FORMULA, frame, rows="keep")
    from bayes_mlm import sample_groups

    some = sample_groups(fit(FORMULA, frame, random_seed=1), frame, n_groups=10)
    assert some.design.J == 10
    wanted = HSB[HSB.schoolid.isin(some.design.labels.tolist())]
    assert sorted(some.design.y) == pytest.approx(sorted(wanted.mathach))


def test_text_files_are_read_as_by_the_other_engines_and_names_are_no_patterns(spark, tmp_path):
    rows = [f'{k},"s,{k % 3}"," 0{k % 2}",{k % 7} ,{(k * k) % 11}' for k in range(40)]
    rows += ['40,"s,1","01",NA,3', "Source: census,,,,"]
    text = "\n".join([",g,f,x,y", *rows]) + "\n"
    (tmp_path / "br[1].csv").write_text(text)
    (tmp_path / "br1.csv").write_text(text.replace("s,0", "zz"))
    formula, path = "y ~ x + f + (1 | g)", tmp_path / "br[1].csv"
    wanted = sum_rows(formula, open_data(path), missing="drop")
    found = sum_rows(formula, open_data(path, engine="spark"), missing="drop")
    same(wanted, found)
    assert found.labels.tolist() == ["s,0", "s,1", "s,2"]
    assert found.terms == wanted.terms == ("Intercept", "x", "f[ 01]")
    assert found.n_dropped == wanted.n_dropped == 2
    (tmp_path / "br[1].csv").write_text(text + "1,2\n")
    with pytest.raises(
        DataError, match=r"a row of br\[1\].csv has another number of values .*'1,2'"
    ):
        sum_rows(formula, open_data(path, engine="spark"), missing="drop")
    for name in ("s3:x.csv", "_x.csv"):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="rename the file"):
            open_data(tmp_path / name, engine="spark")


@pytest.mark.slow
def test_dates_are_refused_and_decimal_commas_read_by_spark_too(spark, tmp_path):
    table = HSB.head(600).assign(when=pd.Timestamp("2020-01-01"))
    with pytest.raises(DataError, match="predictor 'when' contains dates or times"):
        sum_rows("mathach ~ when + (1 | schoolid)", spark_frame(spark, table))
    text = table.assign(ses=[f"{ses:.3f}".replace(".", ",") for ses in table.ses])
    text.to_csv(tmp_path / "a.csv", sep=";", index=False)
    formula = "sector ~ ses + (1 | schoolid)"
    with pytest.raises(DataError, match="predictor 'ses' is text: numbers with a decimal comma"):
        sum_rows(formula, open_data(tmp_path / "a.csv", engine="spark", delimiter=";"))
    scan = open_data(tmp_path / "a.csv", engine="spark", delimiter=";", decimal=",")
    same(build_design(formula, table), sum_rows(formula, scan))


@pytest.mark.parametrize(
    "formula",
    [
        "mathach ~ bs(ses, df=5) + C(sector, Sum) * minority + offset(meanses) + (1 | schoolid)",
        pytest.param(
            "mathach ~ cr(ses, df=4) + poly(size, 2) + ns(ses, knots=(0,)):sector"
            " + (ses | schoolid)",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_splines_polynomials_and_offsets_are_learned_and_summed_by_spark(spark, formula):
    same(sum_rows(formula, spark_frame(spark, HSB)), build_design(formula, HSB), rel=1e-9)
