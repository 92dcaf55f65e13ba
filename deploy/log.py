"""The combined output of all processes; each line begins with the name of its process."""

from rich.console import Console
from rich.text import Text

COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
NAME_WIDTH = 13


class Log:
    """Print lines after a padded name, coloured on a terminal unless NO_COLOR is set."""

    def __init__(self, *, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, markup=False, emoji=False)
        self._colours: dict[str, str] = {}

    def line(self, *, name: str, text: str) -> None:
        """Print one line of the output of the named process."""
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self._print(Text.assemble((f"{name:<{NAME_WIDTH}} │ ", colour), text))

    def note(self, text: str) -> None:
        """Print a line of the supervisor."""
        self._print(Text.assemble((f"{'darkroom':<{NAME_WIDTH}} │ ", "bold"), text))

    def facts(self, facts: dict[str, str]) -> None:
        """Print named facts between two rules, without wrapping their values, so that they can be copied."""
        rule = Text("─" * 72, "dim")
        self._print(rule)
        for name, value in facts.items():
            self._print(Text.assemble((f"  {name:<{NAME_WIDTH}}", "bold"), value))
        self._print(rule)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
