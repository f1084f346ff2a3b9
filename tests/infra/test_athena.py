"""What is published for Athena, and that the query there tells what the report tells; DuckDB stands in."""

import json
import runpy
import shutil
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from poolbench.aws.pack import INFRA
from poolbench.campaign.sync import NotFinished, publish
from poolbench.model.arrow import ROWS
from poolbench.report.load import load
from poolbench.report.metrics.gaps import main_table
from poolbench.report.scenarios import split
from poolbench.report.statistics import Quantiles
from poolbench.store import Conflict, open_store
from tests.infra.conftest import Expanded

RESULTS = INFRA.parent / "results"
MANY = 400  # 7919 shares no factor with any smaller number
GLUE = {"int64": "bigint", "double": "double", "string": "string", "bool": "boolean"}


def test_the_query_gives_the_reports_main_table(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "parquet"))
    key = publish(RESULTS / "quick", store)
    assert publish(RESULTS / "quick", store) == key
    assert pq.read_schema(tmp_path / "parquet" / key).names == ROWS.names
    connection = duckdb.connect()
    files = tmp_path / "parquet" / "requests" / "*" / "*.parquet"
    connection.execute(
        f"CREATE VIEW requests AS SELECT * FROM read_parquet('{files}', hive_partitioning=true)"
    )
    found = connection.execute((INFRA / "athena.sql").read_text()).fetchall()
    names = [column[0] for column in connection.description or []]
    rows = {
        (row["label"], row["gap_ratio"]): row for row in (dict(zip(names, one, strict=True)) for one in found)
    }
    (scenario,) = split(load([RESULTS / "quick"]))
    expected = main_table(scenario)
    assert len(rows) == len(expected) > 20
    for one in expected:
        row = rows[one.label, one.gap_ratio]
        assert key == f"requests/campaign={row['campaign']}/rows.parquet"
        assert (row["n"], row["lost"]) == (one.failed.n, one.failed_count)
        assert row["low"] == pytest.approx(one.failed.low, abs=1e-4)
        assert row["high"] == pytest.approx(one.failed.high, abs=1e-4)
        assert row["connects"] == pytest.approx(one.connects)
        if one.first.median.n:
            assert row["median_ms"] == pytest.approx(one.first.median.value * 1000)
            assert row["p95_ms"] == pytest.approx(one.first.p95.value * 1000)
            assert row["max_ms"] == pytest.approx(one.first.maximum * 1000)
        else:
            assert row["median_ms"] is None


def test_the_querys_quantiles_are_the_reports_for_every_number_of_requests() -> None:
    connection = duckdb.connect()
    # Label n answered n requests, after 1 ms, 2 ms, ... n ms in some order.
    connection.execute(
        f"""CREATE VIEW requests AS SELECT
          'one' AS campaign, n AS label, 1.1 AS gap_ratio, 0 AS connects, 1 AS wire_commands, 'ok' AS outcome,
          1e-3 * (1 + (k * 7919) % n) AS latency_s, true AS counted, 'measure' AS role,
          'first_after_gap' AS state
        FROM range(1, {MANY}) AS sizes(n), range(0, {MANY}) AS places(k) WHERE k < n"""
    )
    query = (INFRA / "athena.sql").read_text()
    connection.execute(f"SELECT label, n, median_ms, p95_ms, max_ms FROM ({query.rstrip().rstrip(';')})")
    found = {label: figures for label, *figures in connection.fetchall()}
    for n in range(1, MANY):
        expected = Quantiles.of(range(1, n + 1))
        told = [expected.median.value, expected.p95.value, expected.maximum]
        assert found[n] == [n, *(pytest.approx(value) for value in told)], n


def test_a_campaign_with_cells_to_come_is_not_published(tmp_path: Path) -> None:
    copy = shutil.copytree(RESULTS / "quick", tmp_path / "copy")
    header = json.loads((copy / "header.json").read_text())
    (copy / "header.json").write_text(json.dumps(header | {"finished": False}))
    with pytest.raises(NotFinished, match="is not finished: go on with"):
        publish(copy, open_store(str(tmp_path / "parquet")))
    assert not (tmp_path / "parquet").exists()


def test_other_rows_of_the_same_campaign_do_not_replace_those_published(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "parquet"))
    publish(RESULTS / "quick", store)
    copy = shutil.copytree(RESULTS / "quick", tmp_path / "copy")
    rows = pq.read_table(copy / "rows.parquet")
    pq.write_table(rows.slice(1), copy / "rows.parquet")
    with pytest.raises(Conflict):
        publish(copy, store)


@pytest.mark.slow
def test_the_glue_table_has_the_columns_that_are_written(expanded: Expanded) -> None:
    (table,) = expanded.of_type("AWS::Glue::Table").values()
    columns = {one["Name"]: one["Type"] for one in table["TableInput"]["StorageDescriptor"]["Columns"]}
    partitions = {one["Name"]: one["Type"] for one in table["TableInput"]["PartitionKeys"]}
    assert partitions == {"campaign": "string"}
    assert columns | partitions == {field.name: GLUE[str(field.type)] for field in ROWS}


def test_the_template_has_the_columns_that_the_model_generates() -> None:
    written = runpy.run_path(str(INFRA / "columns.py"))
    text = (INFRA / "template.yaml").read_text()
    assert written["generated"](text) == text, "run `make schema`"
    assert (
        written["generated"](text.replace("{Name: latency_s, Type: double}", "{Name: x, Type: int}")) == text
    )
