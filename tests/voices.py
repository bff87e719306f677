"""Voiced sounds and noise, for models that listen."""

import numpy as np


def sounds(rows: int, samples: int, *, seed: int):
    """Draw voiced sounds (harmonics under two formants) and noise at 16 kHz, with their pitch."""
    random, time = np.random.default_rng(seed), np.arange(samples) / 16000
    voice = np.arange(rows) % 2
    pitch = random.uniform(90, 250, rows)
    sound = random.uniform(0.001, 0.1, (rows, 1)) * random.normal(size=(rows, samples))
    for i in np.flatnonzero(voice):
        harmonics = pitch[i] * np.arange(1, 30)[:, None]
        loud = np.exp(-(((harmonics - random.uniform(400, 800)) / 500) ** 2))
        phase = random.uniform(0, 2 * np.pi, harmonics.shape)
        wave = (loud * np.sin(2 * np.pi * harmonics * time + phase)).sum(axis=0)
        sound[i] = 0.3 * wave / np.abs(wave).max() + 0.003 * random.normal(size=samples)
    return sound.astype(np.float32), voice, pitch
