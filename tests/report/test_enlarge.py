from pathlib import Path

from perf.analysis import enlarge
from poolbench.report.load import load
from poolbench.report.metrics.gaps import main_table
from poolbench.report.scenarios import split


def test_enlarged_campaign_loses_what_it_lost_only_more_often(campaign: Path, tmp_path: Path) -> None:
    assert enlarge(campaign, tmp_path, 10_000) == 14_400
    dataset = load([tmp_path])
    assert dataset.problems == ()
    (small,), (large,) = split(load([campaign])), split(dataset)
    for before, after in zip(main_table(small), main_table(large), strict=True):
        assert after.failed.n == 3 * before.failed.n
        assert after.failed.value == before.failed.value
        assert after.warm_ratio.n == 3 * before.warm_ratio.n
