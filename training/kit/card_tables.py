"""Tables of a model card about its features, its calibration, and what following it would have earned."""

from collections import Counter
from collections.abc import Iterable, Sequence

from models.manifest import TierManifest
from training.kit.reliability import Bands, Calibration, Densities, Probabilities
from training.kit.trading import SESSIONS, Followed
from training.kit.trials import Trials

NO_FEATURES = "It reads bars themselves; there are no features."

NO_BOOK = "Only forecasts of the next session's return or direction are followed. This one makes none, and has no book."


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; what would end a cell, or begin slanted letters, is escaped."""
    cells = [heads, *([cell.replace("|", r"\|").replace("*", r"\*") for cell in line] for line in lines)]
    first, *rows = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([first, "|" + "---|" * len(heads), *rows])


def families(tiers: Sequence[TierManifest]) -> str:
    """Return how many features of each family every tier reads."""
    if not any(tier.features for tier in tiers):
        return NO_FEATURES
    counts = [(tier, Counter(feature.family for feature in tier.features)) for tier in tiers]
    lines = [
        (str(tier.tier), str(len(tier.features)), ", ".join(f"{name} {n}" for name, n in sorted(count.items())))
        for tier, count in counts
    ]
    return table(("tier (bars)", "features", "by family"), lines)


def foremost(tier: TierManifest, gains: Sequence[tuple[str, float]]) -> str:
    """Return the features of greatest gain with their definitions, after an empty line; nothing without any."""
    if not gains:
        return ""
    known = {feature.name: feature for feature in tier.features}
    lines = [
        (f"`{name}`", f"{share:.1%}", known[name].family, str(known[name].lookback), known[name].formula)
        for name, share in gains
    ]
    heads = ("feature", "share of gain", "family", "bars", "definition")
    return (
        f"\n\nThe foremost of {tier.tier} bars, by the gain of their splits in training, which tells what is used and "
        f"not what is worth something:\n\n{table(heads, lines)}"
    )


def calibrated(found: Calibration) -> str:
    """Return the numbers of the calibration plot."""
    match found:
        case Bands():
            heads = (f"band of {found.tier} bars", *(f"{level:.0%}" for level in found.levels))
            lines = [(name, *(f"{share:.1%}" for share in shares)) for name, shares in found.held.items()]
            return f"{table(heads, lines)}\n\nShares that bands held, by the level that they promise."
        case Probabilities():
            heads = (f"class, of {found.tier} bars", "", *(f"bin {number}" for number in range(1, 11)))
            lines = [
                (name if word == "said" else "", word, *(f"{value:.3f}" for value in values))
                for name, bins in found.classes.items()
                for word, values in (("said", [b.said for b in bins]), ("happened", [b.happened for b in bins]))
            ]
            return f"{table(heads, lines)}\n\nMean probability and frequency, in bins of equally many rows."
        case Densities():
            heads = (f"variable, of {found.tier} bars", *(f"tenth {number}" for number in range(1, 11)))
            lines = [(name, *(f"{share:.1%}" for share in shares)) for name, shares in found.tenths.items()]
            said = "Shares of outcomes in each tenth of the distribution that was forecast: right ones have 10 % each."
            return f"{table(heads, lines)}\n\n{said}"


def followed(books: Sequence[Followed], trials: Trials) -> str:
    """Return what the books of the tiers earned, before costs and after them."""
    if not books:
        return NO_BOOK
    heads = (
        "tier (bars)",
        "days",
        "turnover a day",
        "gross, bp a day",
        "gross a year",
        f"net of {books[0].cost_bp:g} bp, bp a day",
        "net a year",
        "break-even cost, bp",
        "Sharpe, gross",
        "Sharpe, net",
        "Sharpe of holding all",
        "deflated Sharpe, gross",
        "deflated Sharpe, net",
    )
    lines = [
        (
            str(book.tier),
            f"{book.days:,}",
            f"{book.turnover:.2f}",
            f"{book.mean_bp:+.2f}",
            f"{book.mean_bp * SESSIONS / 1e4:+.1%}",
            f"{book.net_bp:+.2f}",
            f"{book.net_bp * SESSIONS / 1e4:+.1%}",
            f"{book.break_even_bp:+.2f}",
            f"{book.sharpe:+.2f}",
            f"{book.net_sharpe:+.2f}",
            f"{book.sharpe_long:+.2f}",
            f"{book.deflated_sharpe:.3f}",
            f"{book.net_deflated_sharpe:.3f}",
        )
        for book in books
    ]
    return (
        f"{table(heads, lines)}\n\n"
        "Every symbol is held long or short by the sign of the forecast made out of fold, all with the same weight, "
        "from the close that the forecast has read, which nobody can trade at, to the next. Turnover is the share of "
        "the book that is traded, 2 where every position is turned round. The break-even cost, on everything traded, "
        "would have eaten the gross return. A deflated Sharpe ratio is the chance that the true one is above what the "
        f"best of {trials.count} books without any skill would have shown (Bailey & Lopez de Prado 2014; counted "
        "below); 0.95 is what one asks for. No strategy to follow: the symbols are survivors, and nothing is sized."
    )
