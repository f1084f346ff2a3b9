from pathlib import Path

from perf.analysis import enlarge
from poolbench.report.load import load
from poolbench.report.settings import split
from poolbench.report.tables import main_table


def test_enlarged_campaign_loses_what_it_lost_only_more_often(campaign: Path, tmp_path: Path) -> None:
    assert enlarge(campaign, tmp_path, 10_000) == 14_400
    dataset = load([tmp_path])
    assert dataset.problems == ()
    (small,), (large,) = split(load([campaign])), split(dataset)
    for before, after in zip(main_table(small), main_table(large), strict=True):
        assert after.lost.n == 3 * before.lost.n
        assert after.lost.value == before.lost.value
        assert after.steady_ratio.n == 3 * before.steady_ratio.n
