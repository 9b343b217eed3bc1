"""Accuracy of direct draws."""

from bayes_mlm.figures.accuracy import direct_accuracy


def test_accuracy_is_the_engines_report(hsb, growth):
    picture = direct_accuracy(hsb["hsb_ses"])
    report = hsb["hsb_ses"].fits[0].report
    assert picture.checks[0].value == report.error
    assert picture.text.caption.startswith("Every measure is within its limit.")
    by_weights = direct_accuracy(growth)
    assert by_weights.method == "importance"
    assert [check.name for check in by_weights.checks] == ["Pareto k-hat", "draws that are copies"]
    assert by_weights.ess == growth.fits[0].report.ess
