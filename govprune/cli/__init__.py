"""Arguments -> one call -> exit code. One module per command, loaded only when it is used.

Exit codes: 0 passed, 1 failed, 2 usage or input, 3 undecided, 4 verification failed.
"""

import io
import os
import sys
from importlib import import_module

import click

from .. import __version__
from ..errors import GovpruneError

# Command -> one line for --help; the module is cli/<command>.py and holds `command`.
COMMANDS = {
    "init": "Write a commented govprune.yaml and a policy to start from.",
    "doctor": "Say what is installed, what lacks, and what to do about it.",
    "run": "Run the step, measure both models, judge, sign, and write the bundle.",
    "plan": "Say what the policy can decide on this data, before anything is run.",
    "judge": "Judge an archived bundle under another policy; no model, no data.",
    "explain": "Explain one rule of a bundle: the numbers, the method, what would change it.",
    "card": "Render the card of a bundle again, as HTML or PDF.",
    "verify": "Verify a bundle, or what a registry serves, offline.",
    "digest": "Name a model by all its files, or say which of them changed.",
    "attest": "Sign that a candidate is yours, before it is gated.",
    "approve": "Verify a bundle and sign that its candidate may serve.",
    "waive": "Verify a bundle and answer for one finding of it, for a while.",
    "timestamp": "Have an authority say when it saw a verdict (RFC 3161).",
    "archive": "List, show and export bundles, and read the log they stand in.",
    "promote": "Verify a bundle and move an alias to its candidate.",
    "rollback": "Move an alias back to the model before, verified again.",
    "policy": "Check policies (lint), say what a change weakens (diff), export the JSON Schema.",
    "checks": "List every check and metric a policy can ask about.",
    "trust": "Say who may decide, approve and waive: a signed trust policy.",
    "keys": "Make signing keys and say whose keys this account trusts.",
    "demo": "The whole line on real people's data: three candidates, three verdicts.",
}


class LazyGroup(click.Group):
    """Lists commands without importing them: `govprune --help` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command's module."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f".{cmd_name}", __package__).command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from their one-line summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 passed, 1 failed, 2 usage or input, 3 undecided, 4 verification failed.",
)
@click.version_option(__version__, prog_name="govprune")
def app() -> None:
    """Decide, with evidence, whether a compressed model may replace the model it came from."""


def main() -> None:
    """Run the command line; every expected problem ends in one sentence and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ≥ gets a ?
    try:
        code = app.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        code = 2
    except click.ClickException as error:
        error.show()
        code = 2
    except GovpruneError as error:
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        # The reader went away (`| head`); nothing is wrong with the verdict, but nobody saw it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(
            f"error: {place}{error.strerror or error}; nothing was left half-written", err=True
        )
        code = 2
    sys.exit(code if isinstance(code, int) else 0)
