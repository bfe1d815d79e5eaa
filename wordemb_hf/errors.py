"""The one exception for what a user can mend."""


class UserError(ValueError):
    """A mistake in what the user gave: one sentence that names the field, the value and what is allowed.

    The command line prints it alone and leaves with exit status 1; any other exception keeps its traceback.
    """
