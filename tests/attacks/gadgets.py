"""Pickles that run something of their own, each by another way, and the files they hide in.

Every gadget leaves a canary file behind when it is unpickled. None of them does harm.
"""

import builtins
import cProfile
import functools
import importlib
import io
import marshal
import operator
import os
import pickle
import posix
import pty
import pydoc
import runpy
import socket
import subprocess
import timeit
import zipfile

import numpy as np
import torch


class Call:
    """Pickled as a call; its result stands where it stood, also as what the next one calls."""

    def __init__(self, function, *arguments):
        self.said = (function, arguments)

    def __reduce__(self):
        return self.said

    def __call__(self):
        raise AssertionError("only its pickle is ever used")


def _arrays(gadget):
    """A .npy file of one object."""
    out = io.BytesIO()
    np.save(out, np.array([gadget], dtype=object), allow_pickle=True)
    return out.getvalue()


def _checkpoint(gadget, *, legacy=False):
    out = io.BytesIO()
    torch.save({"weight": gadget}, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def _zipped(gadget):
    """The zip of torch's first format by hand: data.pkl without what belongs beside it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as parts:
        parts.writestr("archive/data.pkl", pickle.dumps(gadget))
        parts.writestr("archive/version", "3\n")
    return out.getvalue()


def gadgets(canary):
    """Return the pickles by name; `canary` is the path that each of them makes."""
    path = str(canary)
    shell, python = f"touch '{path}'", f"open({path!r}, 'w').close()"
    system = Call(os.system, shell)
    script = canary.with_name("planted_script.py")
    script.write_text(python)
    code = marshal.dumps(compile(python, "x", "exec"))
    opened = functools.partial(np.load, allow_pickle=True)
    loaded = functools.partial(torch.load, weights_only=False)
    return {
        "os.system": system,
        "posix.system": Call(posix.system, shell),
        "os.mkdir": Call(os.mkdir, path),
        "subprocess": Call(subprocess.check_call, ["touch", path]),
        "subprocess by a shell": Call(subprocess.getoutput, shell),
        "eval": Call(builtins.eval, python),
        "exec": Call(builtins.exec, python),
        "compile and exec": Call(builtins.exec, Call(builtins.compile, python, "x", "exec")),
        "runpy": Call(runpy.run_path, str(script)),
        "importlib": Call(
            operator.attrgetter("system"), Call(importlib.import_module, "os")
        ),
        "importlib, called": Call(
            Call(operator.attrgetter("system"), Call(importlib.import_module, "os")), shell
        ),
        "pty": Call(pty.spawn, ["touch", path]),
        "socket": Call(
            operator.methodcaller("bind", path),
            Call(socket.socket, int(socket.AF_UNIX), int(socket.SOCK_STREAM)),
        ),
        "operator.methodcaller": Call(
            operator.methodcaller("system", shell), Call(importlib.import_module, "os")
        ),
        "getattr": Call(Call(getattr, Call(importlib.import_module, "os"), "system"), shell),
        "functools.partial": Call(functools.partial(os.system, shell)),
        "functools.reduce": Call(functools.reduce, builtins.eval, [python, {}]),
        "map in a list": Call(builtins.list, Call(builtins.map, builtins.eval, [python])),
        "numpy objects": Call(opened, Call(io.BytesIO, _arrays(system))),
        "torch.load": Call(loaded, Call(io.BytesIO, _checkpoint(system))),
        "torch.load of the old format": Call(
            loaded, Call(io.BytesIO, _checkpoint(system, legacy=True))
        ),
        "a pickle in a pickle": Call(pickle.loads, pickle.dumps(system)),
        "a function of marshalled code": Call(
            Call(
                Call(operator.attrgetter("FunctionType"), Call(importlib.import_module, "types")),
                Call(marshal.loads, code),
                {"__builtins__": {"open": open}},
            )
        ),
        "timeit": Call(timeit.timeit, python, "pass", timeit.default_timer, 1),
        "cProfile": Call(cProfile.run, python, os.devnull),
        "pydoc": Call(pydoc.pipepager, "", shell),
    }  # fmt: skip


HARMLESS_ALONE = {"importlib"}
"""Only reaches for os.system; the next one calls it."""


def containers(gadget):
    """Return the bytes of files that hold a gadget, by the way it lies in them."""
    zipped_arrays = io.BytesIO()
    np.savez(zipped_arrays, weight=np.array([gadget], dtype=object), allow_pickle=True)
    return {
        "pickle, protocol 0": pickle.dumps(gadget, protocol=0),
        "pickle": pickle.dumps(gadget),
        "checkpoint": _checkpoint(gadget),
        "checkpoint of the old format": _checkpoint(gadget, legacy=True),
        "zip": _zipped(gadget),
        "npy": _arrays(gadget),
        "npz": zipped_arrays.getvalue(),
    }
