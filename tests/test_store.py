"""The journal survives what it must, parquet appears whole, bad files are named."""

from __future__ import annotations

import json
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import StoreError
from harness.record import ARROW_SCHEMA, COLUMNS
from harness.store import RunHeader, RunWriter, find_run, new_run_id, read_results


def _header(run_id: str = "20260101T000000Z-0001", planned: int = 3) -> RunHeader:
    return RunHeader(run_id, "s", "cpu", (), None, "digest", planned)


def _row(index: int, run_id: str = "20260101T000000Z-0001") -> dict:
    return {**dict.fromkeys(COLUMNS), "run_id": run_id, "case_id": f"c{index}", "status": "ok", "sqnr_db": float("inf")}


@pytest.fixture
def writer(tmp_path):
    made = RunWriter.create(tmp_path, _header())
    yield made
    made.close()


def test_rows_are_on_disk_before_the_run_ends(writer, tmp_path):
    writer.append(_row(0), [[1e-3], [2e-3]])
    frame = read_results([tmp_path])
    assert list(frame["case_id"]) == ["c0"]
    assert frame["sqnr_db"][0] == float("inf")


def test_publish_whole_removes_the_journal(writer, tmp_path):
    for index in range(3):
        writer.append(_row(index), [[1.0]])
    path = writer.publish(writer.rows)
    assert pq.read_schema(path).names == ARROW_SCHEMA.names
    assert not writer.journal.exists()
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "20260101T000000Z-0001.parquet",
        "20260101T000000Z-0001.samples.parquet",
    ]


def test_publish_in_part_keeps_the_journal_and_counts_rows_once(writer, tmp_path):
    writer.append(_row(0), [])
    writer.publish(writer.rows)
    writer.append(_row(1), [])
    assert writer.journal.exists()
    assert sorted(read_results([tmp_path])["case_id"]) == ["c0", "c1"]


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_torn_last_line_is_ignored_and_cut_off(writer, tmp_path, cut):
    writer.append(_row(0), [])
    writer.append(_row(1), [])
    writer.close()
    data = writer.journal.read_bytes()
    writer.journal.write_bytes(data[:-cut])
    assert list(read_results([tmp_path])["case_id"]) == ["c0"]
    resumed = RunWriter.resume(find_run(tmp_path, "s", "last"))
    assert [row["case_id"] for row in resumed.rows] == ["c0"]
    resumed.append(_row(2), [])
    resumed.close()
    assert list(read_results([tmp_path])["case_id"]) == ["c0", "c2"]


def test_a_journal_without_its_header_is_no_run(writer, tmp_path):
    writer.close()
    writer.journal.write_bytes(b'{"run_id": "20')
    assert find_run(tmp_path, "s", "last") is None
    assert len(read_results([tmp_path])) == 0


def test_damage_in_the_middle_is_an_error(writer, tmp_path):
    writer.append(_row(0), [])
    writer.append(_row(1), [])
    writer.close()
    lines = writer.journal.read_bytes().splitlines(keepends=True)
    writer.journal.write_bytes(lines[0] + b"rubbish\n" + lines[2])
    with pytest.raises(StoreError, match="damaged"):
        read_results([tmp_path])


def test_two_writers_of_one_run_are_refused(writer, tmp_path):
    with pytest.raises(StoreError, match="another process is writing"):
        RunWriter.resume(find_run(tmp_path, "s", "last"))


def test_the_newest_run_is_the_last(tmp_path):
    for number in (2, 3, 1):
        RunWriter.create(tmp_path, _header(f"2026010{number}T000000Z-0000")).close()
    assert find_run(tmp_path, "s", "last").header.run_id == "20260103T000000Z-0000"
    assert find_run(tmp_path, "s", "20260101T000000Z-0000.journal.jsonl").header.run_id == "20260101T000000Z-0000"


def test_a_full_disk_loses_nothing(writer, tmp_path):
    writer.append(_row(0), [])
    size = writer.journal.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
    try:
        with pytest.raises(StoreError, match="cannot write results"):
            writer.append(_row(1), [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert writer.journal.stat().st_size == size
    assert list(read_results([tmp_path])["case_id"]) == ["c0"]


def test_dev_full_is_explained(tmp_path, monkeypatch):
    import harness.store.writer

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(harness.store.writer.pq, "write_table", refuse)
    writer = RunWriter.create(tmp_path, _header(planned=1))
    writer.append(_row(0), [])
    with pytest.raises(StoreError, match="free space"):
        writer.publish(writer.rows)
    assert writer.journal.exists()
    assert not list(tmp_path.rglob("*.part"))
    assert list(read_results([tmp_path])["case_id"]) == ["c0"]


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="choose a folder"):
        RunWriter.create(tmp_path / "out", _header())


@pytest.mark.parametrize(("name", "content"), [("x.parquet", b"rubbish"), ("x.parquet", b"")])
def test_files_that_are_no_parquet(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StoreError, match="no parquet file"):
        read_results([tmp_path])


def test_parquet_of_something_else(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(StoreError, match="no results of this tool"):
        read_results([tmp_path / "x.parquet"])
    with pytest.raises(StoreError, match="no results there"):
        read_results([tmp_path])


def test_other_tables_that_lie_beside_results_are_passed_over(writer, tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "conformance.parquet")
    writer.append(_row(0), [])
    assert list(read_results([tmp_path])["case_id"]) == ["c0"]


def test_samples_keep_their_rounds(writer):
    for index, rounds in enumerate([[[1e-3, 2e-3], [3e-3]], [], [[4e-3]]]):
        writer.append(_row(index), rounds)
    samples = pq.read_table(writer.publish(writer.rows).with_suffix(".samples.parquet")).to_pandas()
    assert samples["case_id"].tolist() == ["c0"] * 3 + ["c2"]
    assert samples["round"].tolist() == [0, 0, 1, 0]
    assert samples["sample"].tolist() == [0, 1, 2, 0]
    assert samples["time_s"].tolist() == [1e-3, 2e-3, 3e-3, 4e-3]


def test_nothing_there(tmp_path):
    with pytest.raises(StoreError, match="run a suite first"):
        read_results([tmp_path])
    with pytest.raises(StoreError, match="check the path"):
        read_results([tmp_path / "absent"])


def test_older_files_get_the_columns_they_lack(tmp_path):
    (tmp_path / "s").mkdir()
    pq.write_table(pa.table({"run_id": ["a"], "case_id": ["b"], "extra": [1]}), tmp_path / "s" / "a.parquet")
    frame = read_results([tmp_path])
    assert list(frame.columns) == [*COLUMNS, "extra"]


def test_run_ids_sort_by_time():
    assert new_run_id() <= new_run_id()[:16] + "-ffff"
    json.dumps(new_run_id())


def test_a_journal_of_before_there_were_rounds_is_resumed(writer, tmp_path):
    writer.append(_row(0), [1e-3, 2e-3])  # type: ignore[list-item]
    writer.close()
    resumed = RunWriter.resume(find_run(tmp_path, "s", "last"))
    for index in (1, 2):
        resumed.append(_row(index), [[3e-3]])
    samples = pq.read_table(resumed.publish(resumed.rows).with_suffix(".samples.parquet")).to_pandas()
    resumed.close()
    assert samples["round"].tolist() == [0, 0, 0, 0]
    assert samples["time_s"].tolist() == [1e-3, 2e-3, 3e-3, 3e-3]
