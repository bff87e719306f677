"""Energy is metered or called an estimate; nothing is looked up, sent or written meanwhile."""

import logging
import socket
import sys

import pytest
from worlds import asked, blobs, case, evaluation, mlp, sparse

from govprune.checks.energy import ENERGY
from govprune.errors import CheckError
from govprune.measurements import Exact
from govprune.stats import estimate

WIDE, NARROW = (6, 1024, 1024, 2), (6, 64, 64, 2)
QUICK = {"turns": 10, "seconds": 0.05}


@pytest.fixture
def data(tmp_path):
    return evaluation(tmp_path, blobs(128, seed=0), features=("x*",))


def test_a_sixteenth_of_the_width_takes_less_energy_and_keeps_its_claim(tmp_path, data):
    given = case(tmp_path, mlp(*WIDE), mlp(*NARROW), data, claim={"energy_ratio": 0.5})
    found = asked(given, ENERGY, policy_pack="edge", **QUICK)
    assert estimate(found.basis("energy-ratio")) < 0.5
    assert estimate(found.basis("energy-claim-kept")) > 1
    assert found.status("no-more-energy") != "fail"


def test_weights_of_zero_take_the_energy_of_any_weight_and_break_the_claim(tmp_path, data):
    dense = mlp(*WIDE)
    given = case(tmp_path, dense, sparse(dense, 0.9), data, claim={"energy_ratio": 0.1})
    found = asked(given, ENERGY, policy_pack="edge", **QUICK)
    assert estimate(found.basis("energy-claim-kept")) < 0.5
    assert found.status("energy-as-claimed") != "pass"


def test_three_stretches_cannot_tell(tmp_path, data):
    given = case(tmp_path, mlp(*WIDE), mlp(*NARROW), data, claim={"energy_ratio": 0.5})
    found = asked(given, ENERGY, policy_pack="edge", turns=3, seconds=0.05)
    assert found.status("energy-as-claimed") == "inconclusive"
    assert found.status("no-more-energy") == "inconclusive"


def test_the_figure_says_how_it_was_measured_and_with_which_factor(tmp_path, data):
    given = case(tmp_path, mlp(*NARROW), mlp(*NARROW), data)
    found = asked(given, ENERGY, policy_pack="edge", turns=3, seconds=0.05, grams_per_kwh=100)
    (figure,) = found.figures
    assert "100 g CO₂ per kWh, as the policy states" in figure.title
    assert ("estimated: no meter" in figure.title) != ("metered (RAPL" in figure.title)
    how = found.measured("energy-control-ratio").notes[0]
    assert how in figure.title and how in found.measured("energy-ratio").notes
    for _, processor, memory, together, grams in figure.rows:
        assert float(grams) == pytest.approx(float(together) / 10, rel=0.02)
        assert float(together) == pytest.approx(float(processor) + float(memory), rel=0.5)


CONFIGURATION = """
[codecarbon]
save_to_api = true
save_to_file = true
output_methods = csv,api
emissions_endpoint = http://127.0.0.1:9/
electricitymaps_api_token = abc
country_2letter_iso_code = FR
force_cpu_power = 100000
pue = 9
"""


def test_nothing_is_sent_or_written_whatever_lies_about(tmp_path, data, monkeypatch, capfd):
    """CodeCarbon reads its settings from the working folder and from the environment."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / ".codecarbon.config").write_text(CONFIGURATION)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CODECARBON_FORCE_RAM_POWER", "100000")
    called = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: called.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: called.append(host))
    given = case(tmp_path, mlp(*NARROW), mlp(*NARROW), data)
    items = list(ENERGY.measure(given, ENERGY.params(turns=3, seconds=0.05)))
    assert called == []
    assert [path.name for path in folder.iterdir()] == [".codecarbon.config"]
    assert capfd.readouterr() == ("", "")
    # 100 kW would be a thousand times what any of these machines takes.
    watt_hours = float(items[-1].rows[0][3])
    assert watt_hours < 0.01
    assert logging.getLogger("codecarbon").level == logging.CRITICAL


def test_without_codecarbon_it_says_what_to_install(tmp_path, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    given = case(tmp_path, mlp(*NARROW), mlp(*NARROW), data)
    items = ENERGY.measure(given, ENERGY.params())
    first = next(items)
    assert (first.metric, first.basis) == ("energy-claim-kept", Exact(value=1.0))
    with pytest.raises(CheckError, match=r"pip install 'govprune\[energy\]'"):
        next(items)
