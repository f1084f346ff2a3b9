import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from poolbench.model import arrow, history
from poolbench.report.load import CannotLoad, Dataset, load
from poolbench.report.scenarios import split
from tests.report.edit import edit_header, edit_rows, edit_table, small_campaign


def only_problem(dataset: Dataset) -> tuple[str, int]:
    (problem,) = dataset.problems
    return f"{problem.where} {problem.what}", problem.count


def test_clean_campaign_loads_whole_and_without_problems(dataset: Dataset) -> None:
    assert len(dataset.rows) == 4800
    assert dataset.problems == ()
    assert dataset.differing == ()


def test_text_columns_stay_small(dataset: Dataset) -> None:
    assert {str(dataset.rows[name].dtype) for name in arrow.TEXT_COLUMNS} == {"category"}


def test_empty_directory_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match=r"header\.json is missing"):
        load([tmp_path])


def test_half_written_header_is_refused_by_name(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    path = tmp_path / "header.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(CannotLoad, match=r"header\.json cannot be read"):
        load([tmp_path])


def test_header_without_a_timeout_is_refused_because_gaps_are_relative_to_it(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    edit_header(tmp_path, lambda header: header["target"].pop("idle_client_timeout_s"))
    with pytest.raises(CannotLoad, match="idle_client_timeout_s"):
        load([tmp_path])


def test_header_of_a_later_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    edit_header(tmp_path, lambda header: header.update(schema=9))
    with pytest.raises(CannotLoad, match=f"schema is 9, and this poolbench reads up to {history.SCHEMA}"):
        load([tmp_path])


def test_campaign_without_rows_yet_loads_empty_and_says_so(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    (tmp_path / "rows.parquet").unlink()
    dataset = load([tmp_path])
    assert len(dataset.rows) == 0
    assert split(dataset) == ()
    assert "rows.parquet is missing" in only_problem(dataset)[0]


def test_corrupt_parquet_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    good, bad = small_campaign(tmp_path / "good"), small_campaign(tmp_path / "bad", campaign="other")
    whole = (bad / "rows.parquet").read_bytes()
    (bad / "rows.parquet").write_bytes(whole[: len(whole) // 2])
    dataset = load([good, bad])
    assert set(dataset.rows["campaign"].unique()) == {load([good]).headers[0].campaign}
    what, _ = only_problem(dataset)
    assert what.startswith("other: rows.parquet is corrupt")


def test_corrupt_page_in_the_middle_leaves_no_half_of_the_file_in(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    path = tmp_path / "rows.parquet"
    data = bytearray(path.read_bytes())
    data[200:2000] = bytes(1800)
    path.write_bytes(data)
    dataset = load([tmp_path])
    assert len(dataset.rows) == 0
    assert "corrupt" in only_problem(dataset)[0]


def test_corrupt_connections_leave_the_rows_alone(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    (tmp_path / "connections.parquet").write_bytes(b"PAR1 not really")
    dataset = load([tmp_path])
    assert len(dataset.rows) == 96
    assert dataset.connections.empty
    assert "connections.parquet is corrupt" in only_problem(dataset)[0]


def test_corrupt_events_leave_the_rows_alone(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    (tmp_path / "events.parquet").write_bytes(b"PAR1 not really")
    dataset = load([tmp_path])
    assert len(dataset.rows) == 96
    assert dataset.events.empty
    assert "events.parquet is corrupt" in only_problem(dataset)[0]


def test_missing_connections_are_said(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    (tmp_path / "connections.parquet").unlink()
    assert "connections.parquet is missing" in only_problem(load([tmp_path]))[0]


def test_events_that_the_lab_must_have_are_missed_and_those_of_aws_are_not(tmp_path: Path) -> None:
    lab, aws = small_campaign(tmp_path / "lab"), small_campaign(tmp_path / "aws", target={"kind": "aws"})
    for directory in (lab, aws):
        (directory / "events.parquet").unlink()
    assert "events.parquet is missing" in only_problem(load([lab]))[0]
    assert load([aws]).problems == ()


def test_file_without_a_column_is_left_out_by_its_name(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    edit_table(tmp_path, lambda table: table.drop_columns(["latency_s"]))
    dataset = load([tmp_path])
    assert len(dataset.rows) == 0
    assert "no column latency_s" in only_problem(dataset)[0]


def test_column_of_another_type_is_named_with_both(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def spoil(table: pa.Table) -> pa.Table:
        texts = pa.array(["soon"] * len(table))
        return table.set_column(table.schema.get_field_index("connects"), "connects", texts)

    edit_table(tmp_path, spoil)
    assert "column connects is string, not int64" in only_problem(load([tmp_path]))[0]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("outcome", "fine", "outcome is none of ok, reconnected, error, hang"),
        ("state", "warm", "state is none of"),
        ("latency_s", None, "latency_s is missing"),
        ("label", None, "label is missing"),
        ("latency_s", -1.0, "latency_s is negative"),
        ("schema", 9, f"schema is not {history.SCHEMA}"),
    ],
)
def test_bad_rows_are_counted_listed_and_left_out(
    tmp_path: Path, column: str, value: Any, reason: str
) -> None:
    small_campaign(tmp_path)

    def spoil(rows: list[dict[str, Any]]) -> None:
        for row in rows[10:13]:
            row[column] = value

    edit_rows(tmp_path, spoil)
    dataset = load([tmp_path])
    what, count = only_problem(dataset)
    assert reason in what
    assert count == 3
    assert len(dataset.problems[0].examples) == 3
    assert "invocation" in dataset.problems[0].examples[0]
    assert len(dataset.rows) == 93


def test_many_bad_rows_are_all_counted_and_the_first_listed(tmp_path: Path) -> None:
    small_campaign(tmp_path)

    def spoil(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["outcome"] = "fine"

    edit_rows(tmp_path, spoil)
    dataset = load([tmp_path])
    assert dataset.problems[0].count == 96
    assert len(dataset.problems[0].examples) == 20


def test_lines_that_sync_could_not_use_are_listed_with_their_reason(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    line = '{"object": "c/rows/x/0-1.jsonl", "problems": ["not JSON: line 1"], "line": "{"}\n'
    (tmp_path / "invalid.jsonl").write_text(line + "garbage\n")
    dataset = load([tmp_path])
    assert only_problem(dataset)[1] == 2
    assert dataset.problems[0].examples == ("c/rows/x/0-1.jsonl: not JSON: line 1", "garbage")


def test_rows_of_the_first_version_have_one_thread_in_one_environment(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    before = load([tmp_path])

    def age(table: pa.Table) -> pa.Table:
        old = table.drop_columns(["thread", "environments", "threads"])
        at = old.schema.get_field_index("schema")
        return old.set_column(at, "schema", pa.array([1] * len(old)))

    edit_table(tmp_path, age)
    after = load([tmp_path])
    assert after.problems == ()
    pd.testing.assert_frame_equal(after.rows, before.rows)


def test_a_campaign_that_an_earlier_version_synced_loads_whole() -> None:
    dataset = load([Path(__file__).parents[1] / "data" / "schema2"])
    assert dataset.problems == ()
    rows = dataset.rows
    assert (len(rows), set(rows["schema"]), bool(rows["replacements"].isna().all())) == (450, {3}, True)
    assert rows["state"].value_counts().to_dict() == {
        "later": 300,
        "first_after_gap": 125,
        "first_of_engine": 21,
        "first_in_environment": 4,
    }
    assert (rows["failed"].sum(), rows["aa_control"].sum()) == (73, 18)


def test_same_campaign_given_twice_counts_once(tmp_path: Path) -> None:
    one = small_campaign(tmp_path / "one")
    shutil.copytree(one, tmp_path / "copy")
    assert len(load([one, tmp_path / "copy"]).rows) == 96


def test_same_campaign_with_other_content_is_refused_with_both_places(tmp_path: Path) -> None:
    one, other = small_campaign(tmp_path / "one"), small_campaign(tmp_path / "other")
    edit_table(other, lambda table: table.slice(1))
    with pytest.raises(CannotLoad, match=r"one and .*other both hold campaign synthetic.*different content"):
        load([one, other])


def test_campaigns_with_equal_settings_merge(tmp_path: Path) -> None:
    one, other = small_campaign(tmp_path / "1"), small_campaign(tmp_path / "2", campaign="b", seed=2)
    dataset = load([one, other])
    assert len(dataset.rows) == 192
    assert str(dataset.rows["label"].dtype) == "category"
    (merged,) = split(dataset)
    assert merged.rows["campaign"].nunique() == 2


def test_campaigns_whose_settings_differ_do_not_merge_unasked(tmp_path: Path) -> None:
    near = small_campaign(tmp_path / "near")
    far = small_campaign(tmp_path / "far", campaign="far", rtt_s=0.01)
    with pytest.raises(CannotLoad, match=r"target\.added_rtt_s: 0\.0 / 0\.01"):
        load([near, far])


def test_what_differs_becomes_a_column_when_asked(tmp_path: Path) -> None:
    near = small_campaign(tmp_path / "near")
    far = small_campaign(tmp_path / "far", campaign="far", rtt_s=0.01)
    dataset = load([near, far], mixed=True)
    assert dataset.differing == ("target.added_rtt_s",)
    assert dataset.rows.groupby("target.added_rtt_s").size().to_dict() == {0.0: 96, 0.01: 96}
    assert len(split(dataset)) == 2


def test_rows_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    small_campaign(tmp_path)
    expected = load([tmp_path]).rows
    edit_rows(tmp_path, lambda rows: rows.reverse())
    found = load([tmp_path]).rows
    by_time = ["cell", "started_wall_ns", "kind"]
    columns = ["cell", "kind", "started_wall_ns"]
    assert (
        found.astype({"cell": str}).sort_values(by_time)[columns].values.tolist()
        == expected.astype({"cell": str}).sort_values(by_time)[columns].values.tolist()
    )


@pytest.mark.parametrize(
    ("part", "mine", "others", "refused"),
    [
        ("request", {"deadline_s": 5.0}, {"deadline_s": 3.0}, True),
        ("request", {"workload": "slow"}, {"workload": "large"}, False),
        ("request", None, {"deadline_s": 3.0}, False),
        ("drivers", {"asyncmy": {"version": "0.2.18"}}, {"asyncmy": {"version": "0.2.10"}}, True),
        ("drivers", {"asyncmy": {"version": "0.2.18"}}, {"aiomysql": {"version": "0.3.2"}}, False),
    ],
)
def test_campaigns_whose_requests_or_drivers_differ_do_not_merge(
    part: str, mine: dict[str, Any] | None, others: dict[str, Any], refused: bool, tmp_path: Path
) -> None:
    made = [small_campaign(tmp_path / name, campaign=name) for name in ("mine", "others")]
    if mine is not None:
        edit_header(made[0], lambda header: header.update({part: mine}))
    edit_header(made[1], lambda header: header.update({part: others}))
    if refused:
        with pytest.raises(CannotLoad, match=part):
            load(made)
    else:
        assert len(load(made).headers) == 2
