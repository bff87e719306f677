"""Fairness of two models on many rows: this against Fairlearn's MetricFrame, in the same run.

    python benchmarks/fairness.py                   # 1e6 rows x 50 slices, and what 1e8 rows cost
    python benchmarks/fairness.py --rows 1e5 --skip-large

Four metrics (selection rate, true and false positive rate, accuracy) of both models per slice, the
paired change, and the four disparities with 1,000 bootstrap replicates. MetricFrame knows no
paired change; it is run on each model with 1 and 3 replicates, and its 1,000 are extrapolated.
The pass over the rows stands beside a plain numpy.bincount of the same columns.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

REPLICATES = 1000
SLICES = 50
STATISTICS = (
    "demographic-parity-difference",
    "demographic-parity-ratio",
    "equalized-odds-difference",
    "equalized-odds-ratio",
)


def columns(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Slice, label and both models' answers: a candidate that changes 4 % of answers."""
    random = np.random.default_rng(seed)
    label = (random.random(rows) < 0.4).astype(np.uint8)
    baseline = np.where(random.random(rows) < 0.85, label, 1 - label).astype(np.uint8)
    candidate = np.where(random.random(rows) < 0.96, baseline, 1 - baseline).astype(np.uint8)
    part = random.integers(0, SLICES, rows, dtype=np.uint8)
    return {"slice": part, "label": label, "baseline": baseline, "candidate": candidate}


def best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ours(data: dict[str, np.ndarray]) -> None:
    """Count, take the rates and paired changes of every slice, and bootstrap the disparities."""
    from govprune import stats
    from govprune.data import tabulate
    from govprune.measurements import Grouped, GroupTable, Paired
    from govprune.stats import groups

    joint = tabulate(list(data.values()), (SLICES, 2, 2, 2))
    cells = np.zeros(SLICES * 8, dtype=np.int64)
    cells[joint.keys] = joint.counts
    table = cells.reshape(SLICES, 2, 2, 2)
    right = table[:, 0, ::-1, ::-1] + table[:, 1]
    for part in (table[:, 1], table[:, 0], table.sum(axis=1), right):
        for t in part:
            basis = Paired(
                both=t[1, 1], baseline_only=t[1, 0], candidate_only=t[0, 1], neither=t[0, 0]
            )
            stats.estimate(basis), stats.lower(basis, 0.05), stats.upper(basis, 0.05)
    draws = groups.draw(table.reshape(SLICES, 8).astype(float), seed=0, replicates=REPLICATES)
    for statistic in STATISTICS:
        for of in ("baseline", "candidate", "change"):
            groups.ordered(draws, statistic, of)
    Grouped(statistic=STATISTICS[0], seed=0, replicates=REPLICATES, groups=tuple(
        GroupTable(group=str(i), counts=tuple(int(c) for c in t.reshape(-1)))
        for i, t in enumerate(table)))  # fmt: skip


def fairlearns(data: dict[str, np.ndarray], replicates: int) -> float:
    """Seconds of MetricFrame over both models with so many replicates."""
    from fairlearn import metrics
    from sklearn.metrics import accuracy_score

    functions = {
        "selection rate": metrics.selection_rate,
        "tpr": metrics.true_positive_rate,
        "fpr": metrics.false_positive_rate,
        "accuracy": accuracy_score,
    }
    start = time.perf_counter()
    for model in ("baseline", "candidate"):
        metrics.MetricFrame(
            metrics=functions, y_true=data["label"], y_pred=data[model],
            sensitive_features=data["slice"], n_boot=replicates or None,
            ci_quantiles=[0.05, 0.95] if replicates else None, random_state=0,
        ).difference()  # fmt: skip
    return time.perf_counter() - start


def against_fairlearn(rows: int) -> dict[str, float]:
    """Compare the whole job."""
    data = columns(rows)
    mine = best(lambda: ours(data))
    one, three = fairlearns(data, 1), fairlearns(data, 3)
    each = (three - one) / 2
    theirs = one + (REPLICATES - 1) * each
    print(f"{rows:,} rows x {SLICES} slices, 4 metrics, both models, {REPLICATES:,} replicates")
    print(f"  this, with the paired change   {mine:10.3f} s")
    print(f"  MetricFrame, 1 replicate       {one:10.3f} s   ({each:.2f} s per replicate)")
    print(f"  MetricFrame, extrapolated      {theirs:10.0f} s")
    print(f"  ratio                          {theirs / mine:10,.0f}")
    return {"seconds": mine, "ratio": theirs / mine}


def against_bincount(rows: int) -> dict[str, float]:
    """Compare the pass over the rows with what numpy needs for the same columns."""
    from govprune.data import tabulate

    data = columns(rows)
    shape = (SLICES, 2, 2, 2)

    def plain() -> None:
        key = np.ravel_multi_index([c.astype(np.int64) for c in data.values()], shape)
        np.bincount(key, minlength=SLICES * 8)

    mine, theirs = best(lambda: tabulate(list(data.values()), shape)), best(plain)
    print(f"\n{rows:,} rows, the pass over the rows")
    print(f"  this                           {1e3 * mine:10.1f} ms")
    print(f"  numpy.bincount                 {1e3 * theirs:10.1f} ms")
    print(f"  ratio                          {mine / theirs:10.2f}   (limit 3)")
    return {"ratio": mine / theirs}


def write(path: Path, rows: int) -> None:
    """Write predictions as Parquet, ten million rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = pa.array([f"group {i}" for i in range(SLICES)])
    writer = None
    for start in range(0, rows, 10_000_000):
        data = columns(min(10_000_000, rows - start), seed=start)
        part = pa.DictionaryArray.from_arrays(pa.array(data.pop("slice")), names)
        table = pa.table({"slice": part, **data})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=1 << 20)
    if writer is not None:
        writer.close()


def read(path: Path) -> None:
    """Read, digest, slice and count a file of predictions; print seconds and peak memory."""
    from govprune.data import read_predictions
    from govprune.job import EvaluationSection, PredictionsSection
    from govprune.policy.rules import SlicePolicy

    start = time.perf_counter()
    found = read_predictions(
        EvaluationSection(file=path.name, label="label", slices=("slice",)),
        PredictionsSection(baseline="baseline", candidate="candidate"),
        SlicePolicy(),
        root=path.parent,
    )
    tables = dict(found.data.tables(found.baseline.said, found.candidate.said))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rows": tables["all"].n, "seconds": seconds, "peak": peak}))


def large(sizes: tuple[int, ...]) -> None:
    """Time and memory of files of predictions, each read in a process of its own."""
    print("\npredictions from a Parquet file: read, digested, sliced and counted")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "predictions.parquet"
            # Written by another process, so that its memory is not counted.
            for flag in ("--write", "--read"):
                done = subprocess.run(
                    [sys.executable, __file__, flag, str(path), "--rows", str(rows)],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
        said = json.loads(done.stdout)
        print(
            f"  {said['rows']:>12,} rows   {said['seconds']:7.1f} s   "
            f"{1e9 * said['seconds'] / said['rows']:5.0f} ns per row   "
            f"{said['peak'] / 2**20:6.0f} MiB peak"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000)
    parser.add_argument("--skip-large", action="store_true", help="leave 1e7 and 1e8 rows out")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(given.write, given.rows)
    elif given.read:
        read(given.read)
    else:
        against_bincount(10 * given.rows)
        against_fairlearn(given.rows)
        if not given.skip_large:
            large((1_000_000, 10_000_000, 100_000_000))


if __name__ == "__main__":
    main()
