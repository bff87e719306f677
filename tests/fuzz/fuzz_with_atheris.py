"""Fuzz one reader, or each in turn, guided by which lines of govprune a mutation reaches.

    python tests/fuzz/fuzz_with_atheris.py TARGET [-max_total_time=300] [-seed=7] ...
    python tests/fuzz/fuzz_with_atheris.py all -max_total_time=2

Every option is libFuzzer's. A defect is written to crash-TARGET-… in the current folder, with its
traceback above. No input may take more than 5 seconds or a gigabyte.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

with atheris.instrument_imports(include=["govprune", "yaml"]):
    from fuzz_targets import Target, every_target

TOKENS = (
    b"null", b"true", b"NaN", b"Infinity", b"1e999", b"-0", b"9" * 40, b"\\ud800", b"[[[[[[[[",
    b"&a", b"*a", b"<<", b"!!python/object", b"---\n", b"...", b"../", b"\xef\xbb\xbf", b"\x00",
    b"\xe2\x80\xae", b"\x1b[2J", b"-----BEGIN", b"SQLite format 3\x00", b"/ByteRange [", b"%%EOF",
)  # fmt: skip


def fuzz(name: str, target: Target, options: list[str]) -> None:
    """Run libFuzzer on one target; it ends the process."""
    folder = Path(tempfile.mkdtemp(prefix=f"govprune-corpus-{name}-"))
    for i, seed in enumerate(target.seeds):
        (folder / f"seed-{i}").write_bytes(seed)
    dictionary = folder.with_suffix(".dict")
    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"' for token in TOKENS)
    dictionary.write_text("\n".join(lines) + "\n")
    longest = max(map(len, target.seeds)) * 2
    given = ["-timeout=5", "-rss_limit_mb=1024", f"-max_len={longest}", f"-dict={dictionary}",
             f"-artifact_prefix=crash-{name}-", "-verbosity=0", *options, str(folder)]  # fmt: skip
    atheris.Setup([sys.argv[0], *given], target)
    atheris.Fuzz()


def main() -> None:
    """Fuzz what the first argument names."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    targets, (name, *options) = every_target(), sys.argv[1:]
    if name != "all":
        fuzz(name, targets[name], options)
        return
    for each, target in targets.items():
        # libFuzzer ends its process, so each target has one; what was imported is shared.
        child = os.fork()
        if not child:
            fuzz(each, target, options)
        _, status = os.waitpid(child, 0)
        print(f"{each}: {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main()
