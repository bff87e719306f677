"""Digests of a model's files: this against sha256sum, on the same folder, one after the other.

    python benchmarks/digest.py               # 2 GB: four large files and 2,000 small ones
    python benchmarks/digest.py --gigabytes 0.2 --rounds 3

Both read from the page cache. `govprune digest` is timed as a person runs it, start of Python and
all; so is sha256sum, as one process over all files. Rounds are interleaved and the median of the
rounds' ratios is printed. Where sha256sum does without the processor's SHA instructions and
OpenSSL does not, a ratio far below 1 says little; `openssl dgst` stands beside it for that reason.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

LARGE = 4
SMALL = 2000
SMALL_BYTES = 20_000
LIMIT = 1.3


def make(folder: Path, total: int) -> list[str]:
    """Write the model's files; return their names below the folder."""
    piece = os.urandom(1 << 20)
    each = (total - SMALL * SMALL_BYTES) // LARGE
    if each <= 0:
        raise SystemExit(f"the small files alone have {SMALL * SMALL_BYTES:,} bytes; give more")
    for i in range(LARGE):
        with (folder / f"model-{i + 1:05d}-of-{LARGE:05d}.safetensors").open("wb") as out:
            for start in range(0, each, len(piece)):
                out.write(piece[: min(len(piece), each - start)])
    for i in range(SMALL):
        part = folder / f"part-{i % 20:02d}"
        part.mkdir(exist_ok=True)
        (part / f"{i:04d}.json").write_bytes(piece[i : i + SMALL_BYTES])
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def seconds(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Time a command and return what it wrote."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def lines(written: str) -> dict[str, str]:
    """Digest of each file, in the form that sha256sum writes."""
    pairs = (line.split("  ", 1) for line in written.splitlines())
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2 and len(pair[0]) == 64}


def commands(names: list[str]) -> dict[str, list[str]]:
    """What is timed. The first is what all are compared with."""
    ours = [sys.executable, "-m", "govprune", "digest", ".", "--threads"]
    found = {
        "sha256sum": ["sha256sum", "--", *names],
        "govprune digest, 1 thread": [*ours, "1"],
        "govprune digest, 2 threads": [*ours, "2"],
    }
    if openssl := shutil.which("openssl"):
        found["openssl dgst"] = [openssl, "dgst", "-sha256", "-r", *names]
    return found


def compare(folder: Path, names: list[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of every command in every round; a first round, not counted, warms the page cache."""
    taken: dict[str, list[float]] = {name: [] for name in commands(names)}
    for number in range(rounds + 1):
        for name, command in commands(names).items():
            each, written = seconds(command, folder)
            if name == "sha256sum":
                expected = lines(written)
            elif name.startswith("govprune") and lines(written) != expected:
                raise SystemExit(f"{name}: not the digests of sha256sum")
            if number:
                taken[name].append(each)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        total = int(given.gigabytes * 1e9)
        names = make(folder, total)
        taken = compare(folder, names, given.rounds)
    print(f"{total:,} bytes in {len(names):,} files, {given.rounds} rounds, warm page cache")
    plain = taken["sha256sum"]
    for name, each in taken.items():
        ratio = statistics.median(a / b for a, b in zip(each, plain, strict=True))
        middle = statistics.median(each)
        limit = f"   (limit {LIMIT})" if name.endswith("1 thread") else ""
        print(
            f"  {name:<28}{middle:8.2f} s{total / middle / 1e6:10,.0f} MB/s"
            f"   ratio {ratio:6.2f}{limit}"
        )


if __name__ == "__main__":
    main()
