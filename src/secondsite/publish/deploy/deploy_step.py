"""One step of applying what `render` wrote: what it is for, its commands, and how to see that it is done."""

from __future__ import annotations

from attrs import frozen

from secondsite.publish.text.markdown import Md


@frozen
class DeployStep:
    title: Md
    text: Md
    commands: Md
    check: Md
