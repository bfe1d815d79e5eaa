"""The one exception for what a user can mend."""


class UserError(ValueError):
    """A mistake in what the user gave: one sentence that names the field, the value and what is allowed.

    The command line prints it alone and leaves with exit status 1; any other exception keeps its traceback.
    """


def check_least(least: int, **values: int) -> None:
    """Refuse numbers that are too small.

    Raises:
        UserError: naming the first.
    """
    for name, value in values.items():
        if value < least:
            raise UserError(f"{name} is {value}, but must be at least {least}")
