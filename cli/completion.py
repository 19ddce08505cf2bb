"""`stenolog completion`: what a shell needs to complete the commands and their options."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script with which SHELL completes `stenolog`.

    bash: `stenolog completion bash >> ~/.bashrc`. zsh: the same with zsh and ~/.zshrc, below the line with compinit.
    fish: `stenolog completion fish > ~/.config/fish/completions/stenolog.fish`. Then open a new shell.
    """
    made = get_completion_class(shell)
    assert made is not None, "click knows these three"
    click.echo(made(ctx.find_root().command, {}, "stenolog", "_STENOLOG_COMPLETE").source())
