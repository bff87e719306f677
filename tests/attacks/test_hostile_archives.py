"""Archives and folders whose parts have names or sizes that no model has.

The defences: nothing is ever unpacked to disk; a folder is listed without following anything
(model_folder.py); names are checked one by one (manifest.py); what unpacks is bounded
(models/scikit.py), and a folder's parts are named by the folder alone (models/hugging_face.py).
"""

import io
import json
import os
import socket
import stat
import struct
import tarfile
import zipfile

import pytest
import safetensors.torch
import torch

from govprune import manifest
from govprune.errors import EvidenceError, GovpruneError, SubjectError
from govprune.evidence.on_disk import check_subjects
from govprune.job import ModelFiles
from govprune.model_files import describe_model
from govprune.model_folder import digest_model
from govprune.models import load

NAMES = {
    "above": "../escaped",
    "far above": "sub/../../../escaped",
    "absolute": "/tmp/escaped",
    "a backslash": "..\\escaped",
    "a drive": "C:\\escaped",
    "NUL": "a\0b",
    "a reversed reading": "a\u202etxt.exe",
    "empty": "",
    "a folder": "sub/",
    "here": "./a",
    "twice a slash": "a//b",
}
CODE = "import torch\n\n\ndef build():\n    return torch.nn.Linear(2, 2)\n"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "in" / "job"
    place.mkdir(parents=True)
    (place / "model.py").write_text(CODE)
    return place


def outside(folder):
    """Everything there is besides the job."""
    top = folder.parent.parent
    return sorted(str(path) for path in top.rglob("*") if folder not in (path, *path.parents))


def zipped(names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as parts:
        for name in names:
            link = zipfile.ZipInfo(name or "x")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            parts.writestr(link if name.startswith("a") else zipfile.ZipInfo(name or "x"), "/etc/x")
        parts.writestr("schema.json", json.dumps({"__class__": "x", "__module__": "../escaped"}))
    return out.getvalue()


def tarred(names):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as parts:
        for i, name in enumerate(names):
            for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
                part = tarfile.TarInfo(name.replace("\0", "") or f"x{i}")
                part.type, part.linkname, part.devmajor, part.devminor = kind, "/etc/passwd", 1, 5
                parts.addfile(part)
    return out.getvalue()


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "name", ["m.safetensors", "m.skops", "m.pt", "m.npz", "m.onnx", "m.zip", "m.tar", "m.joblib"]
)
def test_an_archive_in_place_of_a_model_writes_nothing_anywhere(folder, pack, name):
    (folder / name).write_bytes(pack(NAMES.values()))
    before = outside(folder), sorted(p.name for p in folder.iterdir())
    for code in ("model.py", None):
        with pytest.raises(GovpruneError):
            load(ModelFiles(weights=name, code=code), role="candidate", root=folder)
    assert (outside(folder), sorted(p.name for p in folder.iterdir())) == before


def test_an_archive_that_says_it_unpacks_to_everything_is_refused_unread(folder):
    """Four gigabytes and more of zeros, said in a file of a few hundred bytes."""
    data = bytearray(zipped(["m"]))
    for at in range(len(data) - 4):
        if data[at : at + 4] == b"PK\x01\x02":
            struct.pack_into("<I", data, at + 24, 0xFFFFFFF0)
    (folder / "m.skops").write_bytes(bytes(data))
    with pytest.raises(SubjectError, match=r"unpacks to [0-9,]+ bytes, more than"):
        load(ModelFiles(weights="m.skops"), role="candidate", root=folder)


def test_tensors_that_claim_more_than_the_file_holds_are_refused(folder):
    header = json.dumps({"weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})
    data = struct.pack("<Q", len(header)) + header.encode() + bytes(16)
    (folder / "m.safetensors").write_bytes(data)
    with pytest.raises(SubjectError, match="not a safetensors file"):
        load(ModelFiles(weights="m.safetensors", code="model.py"), role="candidate", root=folder)


# --- names in a manifest, and in an index of parts


@pytest.mark.parametrize("case", NAMES)
def test_no_manifest_names_a_file_elsewhere(folder, case):
    (folder / "m").mkdir()
    (folder / "m" / "a").write_bytes(b"x")
    said = manifest.payload(digest_model(folder / "m"))
    said["predicate"]["resources"][0]["name"] = NAMES[case]
    with pytest.raises(EvidenceError):
        manifest.loads(json.dumps(said).encode(), source="x")


@pytest.mark.parametrize("case", NAMES)
def test_no_index_of_parts_reaches_out_of_its_folder(folder, case):
    model = folder / "m"
    model.mkdir()
    secret = {"weight": torch.ones(2, 2)}
    safetensors.torch.save_file(secret, folder / "escaped")
    (model / "config.json").write_text(
        json.dumps({"architectures": ["BertForSequenceClassification"], "model_type": "bert"})
    )
    index = {"metadata": {}, "weight_map": {"weight": NAMES[case]}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(GovpruneError):
        load(ModelFiles(weights="m"), role="candidate", root=folder)


@pytest.mark.parametrize(
    "name", ["x", ".hidden", ".github/workflows/run.yml", ".git/config", "sub/conftest.py", "~"]
)
def test_a_file_planted_in_a_folder_is_found(folder, name):
    """The digest of a folder closes the list of its files, also of those other tools ignore."""
    model = folder / "m"
    (model / "sub").mkdir(parents=True)
    (model / "sub" / "weights").write_bytes(b"x")
    subjects = describe_model(model, role="candidate", root=folder)
    checked, absent = check_subjects(subjects, folder)
    assert (len(checked), absent) == (2, ())
    planted = model / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_bytes(b"import os")
    with pytest.raises(EvidenceError, match="added: "):
        check_subjects(subjects, folder)


# --- what lies in a folder and is no file


def a_link(place):
    (place / "x").symlink_to("/etc/passwd")


def a_link_to_a_folder(place):
    (place / "x").symlink_to("/etc", target_is_directory=True)


def a_link_to_itself(place):
    (place / "x").symlink_to(place / "x")


def a_link_that_stays_inside(place):
    (place / "x").symlink_to(place / "weights")


def a_pipe(place):
    os.mkfifo(place / "x")


def a_socket(place):
    here = os.open(place, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/x")  # a path of a socket must be short
    os.close(here)


def a_folder_without_files(place):
    (place / "x").mkdir()


THINGS = (
    a_link, a_link_to_a_folder, a_link_to_itself, a_link_that_stays_inside, a_pipe, a_socket,
    a_folder_without_files,
)  # fmt: skip


@pytest.mark.parametrize("thing", THINGS, ids=lambda t: t.__name__.replace("_", " "))
def test_what_is_no_regular_file_is_no_part_of_a_model(folder, thing):
    model = folder / "m"
    model.mkdir()
    (model / "weights").write_bytes(b"x")
    digest_model(model)
    thing(model)
    with pytest.raises(SubjectError):
        digest_model(model)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/stdin", "/dev/tty", "/proc/self/mem"])
def test_a_device_in_place_of_a_model_is_not_read(folder, device):
    (folder / "m.safetensors").symlink_to(device)
    with pytest.raises(SubjectError, match="symbolic link"):
        load(ModelFiles(weights="m.safetensors", code="model.py"), role="candidate", root=folder)
    with pytest.raises(SubjectError):
        digest_model(folder / "m.safetensors")
