"""`poolbench doctor --aws`: what is deployed, what it costs, what was left over."""

from rich.console import Console

from poolbench.aws.account import Account
from poolbench.aws.inventory import take


def show_inventory(console: Console, account: Account, stack: str, *, kept: bool = False) -> bool:
    """Print what there is; whether all of it may be.

    Raises:
        AwsFailed: AWS cannot be asked.

    """
    found = take(account, stack, kept=kept)
    for note in found.notes:
        console.print(note, soft_wrap=True)
    for problem in found.problems:
        console.print(f"problem: {problem}", soft_wrap=True)
    if not found.problems:
        console.print("nothing is left over")
    return not found.problems
