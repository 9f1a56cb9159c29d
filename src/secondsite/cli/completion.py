"""``secondsite completion``: what a shell needs to complete verbs and options."""

from __future__ import annotations

from typing import Literal

from secondsite.model.errors import EXIT_HOLDS


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    bash: `source <(secondsite completion bash)` in ~/.bashrc. zsh: write it to a file `_secondsite` in a
    folder of `fpath`. fish: `secondsite completion fish > ~/.config/fish/completions/secondsite.fish`.

    Parameters
    ----------
    shell
        The shell to complete in.
    """
    from secondsite.cli.__main__ import app  # which names this verb

    print(app.generate_completion(shell=shell))
    return EXIT_HOLDS
