"""The command ``completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
INSTALL = {
    "bash": 'eval "$(energyctl completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(energyctl completion zsh)"   # in ~/.zshrc, behind compinit',
    "fish": "energyctl completion fish > ~/.config/fish/completions/energyctl.fish",
}


@click.command(epilog="\b\n" + "\n".join(INSTALL.values()))
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that completes command lines in a shell.

    It completes energyctl's commands, options and values.
    """
    completer = get_completion_class(shell)
    assert completer is not None
    program = context.find_root().command
    click.echo(completer(program, {}, "energyctl", "_ENERGYCTL_COMPLETE").source())
    return 0
