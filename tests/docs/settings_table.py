"""The table of settings in docs/operations.md."""

from app.settings import Settings, variables


def render() -> str:
    """Return every environment variable with its default and its help."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, variable in variables().items():
        field = Settings.model_fields[name]
        default = (
            ""
            if field.default is None
            else f"`{str(field.default).lower() if field.default in (True, False) else field.default}`"
        )
        lines.append(f"| `{variable}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(lines)
