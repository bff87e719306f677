"""`govprune checks list`: what a policy can ask about."""

import json

import click

from ..catalogue import CATALOGUE


@click.group(name="checks")
def command() -> None:
    """List every check and metric a policy can ask about."""


@command.command(name="list")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text")
def list_checks(kind: str) -> int:
    """List the checks with their metrics."""
    if kind == "json":
        table = [
            {
                "id": c.id,
                "title": c.title,
                "area": c.area,
                "metrics": [
                    {"id": m.id, "title": m.title, "scope": m.scope, "unit": m.unit}
                    for m in c.metrics
                ],
            }
            for c in CATALOGUE
        ]
        click.echo(json.dumps(table, indent=2))
        return 0
    scope = {
        "whole": "all rows",
        "slice": "per slice",
        "slice-label": "per slice and class",
        "attribute": "per way of grouping",
    }
    for entry in CATALOGUE:
        click.echo(f"{entry.id}: {entry.title} ({entry.area})")
        for m in entry.metrics:
            click.echo(f"    {m.id:<40} {m.title}; {scope[m.scope]}, in {m.unit}")
    return 0
