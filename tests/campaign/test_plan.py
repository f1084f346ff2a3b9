"""Campaign files: what they expand to, and how bad ones are refused."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.campaign import BadCampaign
from poolbench.campaign.file import CampaignFile, packaged
from poolbench.campaign.plan import Campaign, Factors, Repetition
from poolbench.function.strategies import CONTROL, REFERENCE, STRATEGIES
from poolbench.lab.proxy import ProxyFault
from poolbench.model.failures import MODES, When
from poolbench.targets.faults import OF_THE_LABS_SERVER
from poolbench.typed import BadValue, build
from tests.campaign.files import load

GOOD = """
name = "x"
description = "d"
seed = 7
idle_client_timeout_s = 2
[factors]
strategies = ["queuepool", "nullpool"]
gaps = [0, 1.5]
[request]
requests = 2
[repetition]
lanes = 3
replicates = 2
"""


def test_every_packaged_campaign_is_valid_and_has_unique_cells() -> None:
    assert {"smoke", "quick", "full", "matrix"} <= set(packaged())
    for name in packaged():
        campaign = CampaignFile.load(name).campaign
        assert campaign.name == name
        ids = [cell.id for cell in campaign.cells()]
        assert len(set(ids)) == len(ids)


def test_quick_has_thirty_first_after_gap_requests_for_each_strategy_and_gap() -> None:
    campaign = CampaignFile.load("quick").campaign
    repetition = campaign.repetition
    assert repetition.replicates * repetition.rounds * repetition.gaps_per_round >= 30
    assert campaign.factors.gaps == (0, 0.5, 0.9, 1.1, 2)
    assert campaign.idle_client_timeout_s == 2.0


def test_cells_are_the_product_with_a_twin_and_a_control(tmp_path: Path) -> None:
    cells = load(tmp_path, GOOD).cells()
    assert [cell.id for cell in cells if cell.replicate == 0] == [
        "queuepool-0x-0",
        "queuepool-1.5x-0",
        "nullpool-0x-0",
        "nullpool-1.5x-0",
        "queuepool-twin-0x-0",
        "queuepool-twin-1.5x-0",
        "no_database-0x-0",
        "no_database-1.5x-0",
    ]
    assert len(cells) == 16
    assert {cell.gap_asked_s for cell in cells} == {0.0, 3.0}
    assert {cell.strategy for cell in cells if cell.aa_control} == {REFERENCE}
    assert {cell.strategy for cell in cells if cell.baseline} == {CONTROL}


@given(
    st.lists(st.sampled_from(sorted(STRATEGIES)), min_size=1, unique=True),
    st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True),
    st.integers(1, 4),
)
def test_expansion_is_deterministic_and_complete(
    names: list[str], quarters: list[int], replicates: int
) -> None:
    def expand() -> Campaign:
        return Campaign(
            name="p",
            description="",
            seed=1,
            idle_client_timeout_s=2.0,
            factors=Factors(strategies=tuple(names), gaps=tuple(quarter / 4 for quarter in quarters)),
            repetition=Repetition(lanes=4, replicates=replicates),
        )

    cells = expand().cells()
    assert cells == expand().cells()
    assert len({cell.id for cell in cells}) == len(cells)
    contenders = len(set(names) | {REFERENCE}) + 2  # the A/A twin and the control
    assert len(cells) == contenders * len(quarters) * replicates
    assert all(re.fullmatch(r"[a-z_]+(-twin)?-[0-9.e+-]+x-\d", cell.id) for cell in cells)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"nullpool"', '"nulpool"'), "unknown strategy 'nulpool': did you mean 'nullpool'?"),
        (("seed", "sede"), "top level: unknown 'sede': did you mean 'seed'?"),
        (("lanes = 3", "lames = 3"), "repetition: unknown 'lames': did you mean 'lanes'?"),
        (("seed = 7", ""), "seed is missing"),
        (("seed = 7", 'seed = "7"'), "seed is '7', not int"),
        (("seed = 7", "seed = true"), "seed is True, not int"),
        (("[0, 1.5]", "[]"), "factors.gaps and factors.gaps_s are empty: give at least one gap"),
        (('["queuepool", "nullpool"]', "[]"), "factors.strategies is empty"),
        (('["queuepool", "nullpool"]', '["os:getcwd()"]'), "strategy 'os:getcwd()' cannot be imported"),
        (('["queuepool", "nullpool"]', '["../x:y"]'), "strategy '../x:y' cannot be imported: TypeError"),
        (('["queuepool", "nullpool"]', '["os:getcwd"]'), "called with one argument: too many positional"),
        (('["queuepool", "nullpool"]', '["os:sep"]'), "imported: it is not a function but of type str"),
        (('["queuepool", "nullpool"]', "[\"__import__('os')\"]"), "unknown strategy \"__import__('os')\""),
        (("[0, 1.5]", "[0, 1.5, 0]"), "factors.gaps: 0.0 given twice"),
        (("[0, 1.5]", "[-1]"), "factors.gaps: -2 s is not 0 to 604800 s"),
        (("[0, 1.5]", "1.5"), "factors.gaps is 1.5, not a list"),
        (("[0, 1.5]", '["1"]'), "factors.gaps[0] is '1', not float"),
        (("lanes = 3", "lanes = 0"), "repetition.lanes is 0: it must be positive"),
        (
            ("requests = 2", "requests = 2\ndeadline_s = 21"),
            "61 s, which is not below function_timeout_s = 60",
        ),
        (("requests = 2", 'workload = "point_selekt"'), "did you mean 'point_select'?"),
        (("timeout_s = 2", "timeout_s = -2"), "idle_client_timeout_s is -2.0: it must be positive"),
        (('name = "x"', "name = "), "not TOML"),
        (('name = "x"', f"name = {'[' * 3000}"), "not TOML"),
        (('name = "x"', f"name = {'1' * 5000}"), "not TOML"),
        (
            ("gaps = ", 'failures = ["direct", "wait_timeout"]\ngaps = '),
            "factors.failures: wait_timeout would end the connections of direct, too",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_cure(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(BadCampaign, match=re.escape(message)):
        load(tmp_path, GOOD.replace(*change))


def test_every_failure_that_the_lab_can_bring_about_can_be_a_factor() -> None:
    through_proxy = {name for name, mode in MODES.items() if not mode.direct}
    assert through_proxy == {failure.value for failure in ProxyFault}
    past_it = {name for name, mode in MODES.items() if mode.direct and mode.when is not When.ALWAYS}
    assert past_it == OF_THE_LABS_SERVER


def test_a_missing_file_lists_the_packaged_ones(tmp_path: Path) -> None:
    with pytest.raises(
        BadCampaign, match=f"No such file or directory; packaged are: {', '.join(packaged())}"
    ):
        CampaignFile.load(str(tmp_path / "nothing.toml"))


def test_a_value_where_a_table_belongs_is_refused() -> None:
    with pytest.raises(BadValue, match="request is 3, not a table"):
        build(Campaign, tomllib.loads(GOOD) | {"request": 3})


@pytest.mark.parametrize(
    ("line", "changed", "words"),
    [
        ('name = "t"', 'name = "../../etc/t"', "files are named after it"),
        ('name = "t"', 'name = ""', "files are named after it"),
        ("gaps = [1.0]", "gaps = [nan]", r"factors.gaps\[0\] is nan, not a finite number"),
        ("gaps = [1.0]", "gaps = [1e300]", "which is a week"),
        ("gaps = [1.0]", "gaps = [1.0000001, 1.0000002]", "1x given twice"),
        ("gaps = [1.0]", "gaps = [-1]", "is not 0 to"),
        ("timeout_s = 10", "timeout_s = inf", "idle_client_timeout_s is inf, not a finite number"),
        ("seed = 1", "seed = 1\nfunction_timeout_s = 100000", "Lambda allows 900"),
        ("lanes = 1", "lanes = 1\nrounds = 1000000000", "6,000,000,000 invocations are more than"),
        ("lanes = 1", "lanes = 1\nreplicates = 100000000", "600,000,000 invocations are more than"),
    ],
)
def test_what_no_campaign_is_meant_to_be_is_refused_at_once(
    tmp_path: Path, line: str, changed: str, words: str
) -> None:
    plain = (
        'name = "t"\ndescription = ""\nseed = 1\nidle_client_timeout_s = 10\n'
        '[factors]\nstrategies = ["queuepool"]\ngaps = [1.0]\n[repetition]\nlanes = 1\n'
    )
    path = tmp_path / "t.toml"
    path.write_text(plain)
    assert CampaignFile.load(str(path)).campaign.name == "t"
    path.write_text(plain.replace(line, changed))
    with pytest.raises(BadCampaign, match=words):
        CampaignFile.load(str(path))
