"""How much energy predictions take, candidate against baseline, with the baseline against itself.

CodeCarbon reads the processor's meter (RAPL) where the machine has one. Elsewhere it estimates:
the processor from its load, memory from a constant, both times the time taken. Such an estimate
follows the clock, and is called one wherever it is shown. What the electricity emits follows from
a factor that the policy states: nobody's place is looked up, and nothing leaves the machine.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log
from random import Random
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import Field

from ..errors import CheckError
from ..measurements import Basis, Exact, Figure, LogRatios, Measurement
from ..records import Record
from .base import Case, Check
from .timing import WARM_UP, predictor, undisturbed

NAMES = ("baseline", "candidate", "baseline again")
METERED = "processor metered (RAPL, with whatever else it did meanwhile), memory estimated"
ESTIMATED = (
    "estimated: no meter on this machine (the processor from its load, memory from a constant)"
)


class EnergyParams(Record):
    """Parameters of the energy check."""

    turns: int = Field(default=15, ge=3, le=400)
    """Metered stretches per model, and as many for the control; fewer than 10 decide nothing."""
    seconds: float = Field(default=0.25, ge=0.05, le=600)
    """Length of a stretch."""
    batch: int = Field(default=256, ge=1)
    """Rows per prediction."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Threads torch may use."""
    grams_per_kwh: float = Field(default=475, ge=0, le=3000)
    """Grams of CO2 per kilowatt-hour of electricity; the world's average by IEA, Global Energy and
    CO2 Status Report (2019)."""


@dataclass(frozen=True)
class Stretch:
    """What a thousand answered rows took in one metered stretch, in watt-hours."""

    processor: float
    memory: float

    @property
    def total(self) -> float:
        """Both."""
        return self.processor + self.memory


def measure(case: Case, params: EnergyParams) -> Iterator[Measurement | Figure]:
    """Meter baseline, candidate and baseline again, interleaved."""
    claimed = case.step.claim.energy_ratio
    if claimed is None:
        yield _measured("energy-claim-kept", Exact(value=1.0), "the step claims no energy")
    tracker, metered = _tracker(params)
    with undisturbed(params.threads):
        taken = _metered(case, params, tracker)
    how = METERED if metered else ESTIMATED
    baseline, candidate, again = taken
    ratio = _ratios(case, baseline, candidate)
    yield _measured(
        "energy-ratio",
        ratio,
        f"median {_middle(s.total for s in baseline)} → {_middle(s.total for s in candidate)} Wh "
        f"per 1,000 predictions in batches of {len(case.data.features[: params.batch])}",
        how,
    )
    yield _measured("energy-control-ratio", _ratios(case, baseline, again), how)
    if claimed is not None:
        kept = tuple(round(log(claimed) - value, 5) for value in ratio.values)
        basis = LogRatios(values=kept, seed=case.seed)
        yield _measured("energy-claim-kept", basis, f"claimed: {claimed:g} of the baseline's", how)
    yield _figure(taken, params, how)


def _tracker(params: EnergyParams) -> tuple[Any, bool]:
    """Return CodeCarbon's tracker, silent and off-line, and whether it reads a meter."""
    try:
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.core.cpu import is_rapl_available
    except ImportError as error:
        raise CheckError("CodeCarbon is not installed: pip install 'govprune[energy]'") from error
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    # All is said here, because what is not said is read from files and variables that lie about.
    tracker = OfflineEmissionsTracker(
        country_iso_code=None, country_2letter_iso_code=None, region=None,
        cloud_provider=None, cloud_region=None, electricitymaps_api_token=None,
        output_methods=[], output_handlers=[], emissions_endpoint=None, metadata=None,
        force_carbon_intensity_g_co2e_kwh=params.grams_per_kwh, pue=1.0, wue=0.0,
        force_cpu_power=None, force_ram_power=None, force_mode_cpu_load=False,
        rapl_include_dram=False, rapl_prefer_psys=False, gpu_ids=[],
        tracking_mode="process", measure_power_secs=3600, allow_multiple_runs=True,
        log_level="critical", logger_preamble="",
    )  # fmt: skip
    return tracker, bool(is_rapl_available())


def _metered(case: Case, params: EnergyParams, tracker: Any) -> list[list[Stretch]]:
    rows = case.data.features[: params.batch]
    predictors = [
        predictor(model, rows) for model in (case.baseline, case.candidate, case.baseline)
    ]
    calls = [_calls(predict, params.seconds) for predict in predictors]
    # The first stretch pays for what the tracker sets up.
    _stretch(tracker, predictors[0], calls[0], len(rows))
    random = Random(case.seed)  # noqa: S311 an order of metering, no secret
    taken: list[list[Stretch]] = [[], [], []]
    for _ in range(params.turns):
        for i in random.sample(range(3), 3):
            taken[i].append(_stretch(tracker, predictors[i], calls[i], len(rows)))
    if not all(stretch.total > 0 for of_one in taken for stretch in of_one):
        raise CheckError(
            f"a stretch of {params.seconds:g} seconds is too short for the meter: raise "
            "params.energy.seconds"
        )
    return taken


def _calls(predict: Callable[[], object], seconds: float) -> int:
    """How many predictions fill a stretch."""
    for _ in range(WARM_UP):
        predict()
    begun = perf_counter()
    for _ in range(WARM_UP):
        predict()
    once = max((perf_counter() - begun) / WARM_UP, 1e-7)
    return max(1, round(seconds / once))


def _stretch(tracker: Any, predict: Callable[[], object], calls: int, rows: int) -> Stretch:
    """Meter so many predictions of so many rows each."""
    tracker.start_task()
    for _ in range(calls):
        predict()
    found = tracker.stop_task()
    if found is None:
        raise CheckError("CodeCarbon measured nothing: it did not start on this machine")
    # Kilowatt-hours for calls * rows answers, in watt-hours for a thousand.
    scale = 1e6 / (calls * rows)
    return Stretch(processor=scale * found.cpu_energy, memory=scale * found.ram_energy)


def _ratios(case: Case, first: list[Stretch], second: list[Stretch]) -> LogRatios:
    values = (log(b.total / a.total) for a, b in zip(first, second, strict=True))
    return LogRatios(values=tuple(round(value, 5) for value in values), seed=case.seed)


def _figure(taken: list[list[Stretch]], params: EnergyParams, how: str) -> Figure:
    rows = []
    for name, of_one in zip(NAMES, taken, strict=True):
        total = float(np.median([stretch.total for stretch in of_one]))
        rows.append(
            (
                name,
                _middle(stretch.processor for stretch in of_one),
                _middle(stretch.memory for stretch in of_one),
                f"{total:.3g}",
                f"{total / 1000 * params.grams_per_kwh:.3g}",
            )
        )
    factor = f"{params.grams_per_kwh:g} g CO₂ per kWh, as the policy states"
    return Figure(
        check="energy",
        title=f"Energy per 1,000 predictions; {how}; {factor}",
        columns=("", "processor, Wh", "memory, Wh", "together, Wh", "CO₂, g"),
        rows=tuple(rows),
    )


def _middle(values: Iterator[float]) -> str:
    return f"{float(np.median(list(values))):.3g}"


def _measured(metric: str, basis: Basis, *notes: str) -> Measurement:
    return Measurement(check="energy", metric=metric, basis=basis, notes=notes)


ENERGY = Check(id="energy", params=EnergyParams, measure=measure)
